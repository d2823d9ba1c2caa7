"""The report of one trained model judged in two images, as a page."""

from ssdbench.report.accuracy import FIGURES, figure
from ssdbench.report.change_charts import ap_chart
from ssdbench.report.glossary import EVALUATION_TERMS
from ssdbench.report.headline import evaluation_headline
from ssdbench.report.page import page
from ssdbench.schema.image_evaluation import DetectionAgreement, EvaluationSettings, ImageComparison
from ssdbench.schema.record import ContainerImage
from ssdbench.schema.report import EvaluationReport
from ssdbench.schema.text import percent, pluralize

Rows = list[tuple[str, ...]]


def render_evaluation_report(report: EvaluationReport) -> str:
    """The report as HTML."""
    found = report.found
    return page(
        "evaluation.html",
        EVALUATION_TERMS,
        report=report,
        found=found,
        answer=evaluation_headline(found),
        facts=_facts(found),
        agreement=_agreement(found.agreement, found.settings) if found.agreement is not None else [],
        ap=_ap(found),
        chart=ap_chart(found),
        figures=_figures(found),
        sensitivity=_sensitivity(report),
    )


def _facts(found: ImageComparison) -> list[tuple[str, str]]:
    question, settings = found.question, found.settings
    data = question.dataset
    return [
        ("Baseline", _image(question.baseline)),
        ("Candidate", _image(question.candidate)),
        ("Checkpoint", f"{question.checkpoint} (SHA-256 {question.checkpoint_sha256[:12]})"),
        ("Data", f"{data.name}, {pluralize(data.val_images, 'validation image')} ({data.fingerprint[:12]})"),
        ("Case", question.case.title),
        (
            "Tolerances",
            f"scores within {settings.score_tolerance:g}, edges within {settings.box_tolerance_px:g} px; "
            f"margin {100 * settings.margin:g}% of the baseline's AP",
        ),
        ("ssdbench", question.ssdbench_version + (f", commit {question.commit[:12]}" if question.commit else "")),
    ]


def _image(image: ContainerImage) -> str:
    versions = [f"Python {image.python}"] if image.python else []
    versions += [f"{name} {image.packages[name]}" for name in ("torch", "pycocotools") if name in image.packages]
    name = image.digest or image.id
    return ", ".join([image.reference + (f" ({name})" if name else ""), *versions])


def _agreement(found: DetectionAgreement, settings: EvaluationSettings) -> Rows:
    """What was counted, how much of it, and how much is allowed."""
    missing = found.compared - found.same - found.relabelled
    return [
        ("Detections of the baseline", f"{found.baseline_detections:,}", ""),
        ("Detections of the candidate", f"{found.candidate_detections:,}", ""),
        ("Same", _counted(found.same, found), f"at least {100 * (1 - settings.unmatched_share):g}%"),
        ("Relabelled", _counted(found.relabelled, found), f"at most {100 * settings.relabelled_share:g}%"),
        ("Neither", _counted(missing, found), ""),
        ("Largest difference of scores", f"{found.largest_score_difference:.2g}", f"{settings.score_tolerance:g}"),
        (
            "Largest difference of edges",
            f"{found.largest_box_difference_px:.2g} px",
            f"{settings.box_tolerance_px:g} px",
        ),
    ]


def _counted(count: int, found: DetectionAgreement) -> str:
    return f"{count:,} ({percent(count / found.compared, 2)})" if found.compared else f"{count:,}"


def _ap(found: ImageComparison) -> Rows:
    """AP of each image, and the difference with its interval and the margin; in AP, and relative to the baseline."""
    if found.baseline_ap is None or found.candidate_ap is None or found.change is None:
        return []
    margin = found.settings.margin
    rows: Rows = [
        ("Baseline", f"{found.baseline_ap:.4f}", ""),
        ("Candidate", f"{found.candidate_ap:.4f}", ""),
        ("Difference", *_difference(found.change, found.baseline_ap)),
    ]
    if found.low is not None and found.high is not None:
        bounds = [_difference(bound, found.baseline_ap) for bound in (found.low, found.high)]
        confidence = f"{100 * found.settings.confidence:g}% interval"
        rows.append((confidence, *(" to ".join(filter(None, texts)) for texts in zip(*bounds, strict=True))))
    rows.append(("Margin", f"{margin * found.baseline_ap:.4f}", f"{100 * margin:g}%"))
    return rows


def _difference(change: float, baseline_ap: float) -> tuple[str, str]:
    return f"{change:+.4f}", percent(change / baseline_ap, 2, sign="+") if baseline_ap else ""


def _figures(found: ImageComparison) -> Rows:
    """The twelve metrics that each image computed of its own detections."""
    if found.baseline_evaluation is None or found.candidate_evaluation is None:
        return []
    there, here = found.baseline_evaluation.evaluation, found.candidate_evaluation.evaluation
    rows: Rows = []
    for field, name, iou, objects, most in FIGURES:
        old, new = getattr(there, field), getattr(here, field)
        change = percent(new / old - 1, 2, sign="+") if old > 0 and new >= 0 else "–"
        rows.append((f"{name}@{iou}", f"{objects}, at most {most}", figure(there, field), figure(here, field), change))
    return rows


def _sensitivity(report: EvaluationReport) -> list[str]:
    """Which differences would have been found, in sentences."""
    found, settings = report.found, report.found.settings
    said = []
    if report.detectable_loss is not None and found.baseline_ap:
        share = percent(report.detectable_loss / found.baseline_ap, 1)
        said.append(
            f"A loss of {report.detectable_loss:.4f} AP ({share} of the baseline's) or more: 95 of 100 comparisons of "
            f"{pluralize(found.question.dataset.val_images, 'validation image')} with detections that differ like "
            "these would call it regressed."
        )
    elif found.agreement is not None and found.agreement.equal:
        said.append("Any difference of the detections beyond the tolerances: there is none that matters.")
    if found.agreement is not None:
        most = settings.relabelled_share * found.agreement.compared
        said.append(f"Labels that moved: of more than {int(most):,} detections, whatever that does to AP.")
    return said
