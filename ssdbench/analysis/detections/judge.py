"""The verdict on one model judged in two images: by the difference of AP, and by labels that moved.

With d = AP of the candidate - AP of the baseline, its interval [l, h], and m = margin * AP of the baseline:

| verdict      | when                                                                                                 |
|--------------|------------------------------------------------------------------------------------------------------|
| regressed    | h < 0 and l <= -m; or the candidate computes other figures from its own detections than are right    |
| improved     | l > 0 and h >= m                                                                                     |
| regressed    | a share of the detections has the same box and score under another label, even if AP does not tell   |
| unchanged    | the detections are equal within the tolerances, or -m < l and h < m                                  |
| inconclusive | everything else                                                                                      |

The first that applies. Weights, data and this judge are the same for both, so that a difference comes from the images.
On few images a single box on the other side of an IoU threshold moves AP by more than the margin: where all detections
are equal, that is rounding.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ssdbench.analysis.detections.agreement import agreement
from ssdbench.analysis.detections.average_precision import Matches
from ssdbench.analysis.detections.bootstrap import ApDifference, ap_difference
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.image_evaluation import (
    DetectionAgreement,
    EvaluationQuestion,
    EvaluationSettings,
    ImageComparison,
)
from ssdbench.schema.text import percent
from ssdbench.schema.training import Evaluation
from ssdbench.schema.verdict import Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIGURES_DIFFER = 1e-6
"""By how much two computations of one figure may differ: they add up in another order at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The detections of one image: `rows` (D, 7), their matches, its own figures, and those computed outside of it."""

    rows: "NDArray[np.float64]"
    matches: Matches
    own: CheckpointEvaluation
    outside: Evaluation

    @property
    def misjudges(self) -> str | None:
        """The first figure that the image computes otherwise, as a sentence; None if there is none."""
        own, outside = asdict(self.own.evaluation), asdict(self.outside)
        for name, value in outside.items():
            if isinstance(value, float) and not abs(own[name] - value) <= FIGURES_DIFFER:
                return f"it computes {name} {own[name]:.4f} of its own detections, which have {value:.4f}"
        return None


def judge_images(
    question: EvaluationQuestion, baseline: Judged, candidate: Judged, settings: EvaluationSettings
) -> ImageComparison:
    """Judge the detections of two images."""
    found = agreement(baseline.rows, candidate.rows, settings)
    difference = ap_difference(
        baseline.matches,
        candidate.matches,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    status, because = _status(difference, found, baseline, candidate, settings)
    answer = ImageComparison(
        schema_version=SCHEMA_VERSION,
        status=status,
        sentence=f"{_figures(difference, settings)}: {because}",
        question=question,
        settings=settings,
        agreement=found,
        baseline_evaluation=baseline.own,
        candidate_evaluation=candidate.own,
        findings=_findings(status, found, baseline, candidate, question),
    )
    if math.isnan(difference.change):
        return answer
    return replace(
        answer,
        baseline_ap=difference.baseline,
        candidate_ap=difference.candidate,
        change=difference.change,
        low=difference.low,
        high=difference.high,
    )


def failed(question: EvaluationQuestion, settings: EvaluationSettings, sentence: str) -> ImageComparison:
    """The answer where one of the images gave none."""
    return ImageComparison(
        schema_version=SCHEMA_VERSION, status=Status.FAILED, sentence=sentence, question=question, settings=settings
    )


def _status(
    difference: ApDifference,
    found: DetectionAgreement,
    baseline: Judged,
    candidate: Judged,
    settings: EvaluationSettings,
) -> tuple[Status, str]:
    margin, words = settings.margin * difference.baseline, f"the margin of {100 * settings.margin:g}%"
    low, high = difference.low, difference.high
    if (wrong := candidate.misjudges) and not baseline.misjudges:
        return Status.REGRESSED, f"the candidate misjudges itself, {wrong}"
    if math.isnan(difference.change):
        return Status.INCONCLUSIVE, "the images have no object to be found"
    if high < 0 and low <= -margin:
        return Status.REGRESSED, f"the interval lies on one side of 0, and reaches {words}"
    if low > 0 and high >= margin:
        return Status.IMPROVED, f"the interval lies on one side of 0, and reaches {words}"
    if found.relabelled > settings.relabelled_share * found.compared:
        share = percent(found.relabelled / found.compared)
        return Status.REGRESSED, f"{share} of the detections are the same but for their label"
    if found.identical:
        return Status.UNCHANGED, "all detections are identical to the last bit"
    if found.equal:
        return Status.UNCHANGED, "the detections are equal within the tolerances"
    if difference.baseline == 0:
        return Status.INCONCLUSIVE, "with AP 0 there is nothing to lose; give a trained checkpoint of these categories"
    if -margin < low and high < margin:
        return Status.UNCHANGED, f"the whole interval is within {words}"
    return Status.INCONCLUSIVE, f"the interval is wider than {words} allows; give more images, or another --margin"


def _figures(difference: ApDifference, settings: EvaluationSettings) -> str:
    if math.isnan(difference.change):
        return "AP cannot be computed"
    confidence = f"{100 * settings.confidence:g}%"
    bounds = f"{confidence} interval {difference.low:+.4f} to {difference.high:+.4f}"
    return f"AP {difference.candidate:.4f} against {difference.baseline:.4f}, {difference.change:+.4f} ({bounds})"


def _findings(
    status: Status,
    found: DetectionAgreement,
    baseline: Judged,
    candidate: Judged,
    question: EvaluationQuestion,
) -> tuple[str, ...]:
    findings = [_agreement_words(found)]
    if found.relabelled:
        pairs = ", ".join(f"{item.baseline} -> {item.candidate} ({item.detections})" for item in found.relabellings)
        findings.append(f"equal boxes and scores under another label, baseline -> candidate (detections): {pairs}")
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        if wrong := side.misjudges:
            findings.append(f"the {name} misjudges itself: {wrong}; look at its pycocotools and numpy")
    if status is Status.IMPROVED:
        findings.append("the same weights should not become better: find out what is wrong with the baseline")
    if question.baseline.id is not None and question.baseline.id == question.candidate.id:
        findings.append("both are the same image: any difference is noise")
    return tuple(findings)


def _agreement_words(found: DetectionAgreement) -> str:
    if found.identical:
        return f"{found.compared:,} detections, identical to the last bit"
    word = "equal within the tolerances" if found.equal else "not equal"
    sizes = f"{found.baseline_detections:,} and {found.candidate_detections:,} detections"
    return (
        f"the detections are {word}: {found.same:,} of {sizes} have a counterpart; of these scores differ by up to "
        f"{found.largest_score_difference:.2g} and edges by up to {found.largest_box_difference_px:.2g} px"
    )
