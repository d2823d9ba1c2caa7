"""The answer on one model in two images -> what a report says of it."""

from statistics import NormalDist

from ssdbench.schema.image_evaluation import ImageComparison
from ssdbench.schema.report import EvaluationReport

_POWER = 0.95


def image_evaluation_report(found: ImageComparison) -> EvaluationReport:
    """What is said of an answer; no pictures yet."""
    return EvaluationReport(found=found, detectable_loss=_detectable_loss(found))


def _detectable_loss(found: ImageComparison) -> float | None:
    """The loss of AP that is called regressed with a chance of `_POWER`, for detections that differ as these do.

    With h, half of the interval, a loss is called if its estimate is beyond h (the interval excludes 0) and beyond
    margin - h (the interval reaches the margin). The estimate is about normal, as far as a bootstrap's is. Equal
    detections say nothing about sets that differ.
    """
    if found.low is None or found.high is None or not found.baseline_ap:
        return None
    if found.agreement is None or found.agreement.equal:
        return None
    half = (found.high - found.low) / 2
    error = half / NormalDist().inv_cdf((1 + found.settings.confidence) / 2)
    threshold = max(half, found.settings.margin * found.baseline_ap - half)
    return threshold + NormalDist().inv_cdf(_POWER) * error
