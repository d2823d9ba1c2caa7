"""The twelve COCO metrics of a checkpoint, for a terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.numbers import rounded
from ssdbench.report.tables import new_table
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.text import pluralize
from ssdbench.schema.training import Evaluation

# Field of `Evaluation`, name, IoU, objects, detections per image.
FIGURES = (
    ("ap", "AP", ".50:.95", "all", 100),
    ("ap_50", "AP", ".50", "all", 100),
    ("ap_75", "AP", ".75", "all", 100),
    ("ap_small", "AP", ".50:.95", "small", 100),
    ("ap_medium", "AP", ".50:.95", "medium", 100),
    ("ap_large", "AP", ".50:.95", "large", 100),
    ("ar_1", "AR", ".50:.95", "all", 1),
    ("ar_10", "AR", ".50:.95", "all", 10),
    ("ar_100", "AR", ".50:.95", "all", 100),
    ("ar_small", "AR", ".50:.95", "small", 100),
    ("ar_medium", "AR", ".50:.95", "medium", 100),
    ("ar_large", "AR", ".50:.95", "large", 100),
)


def render_evaluation(found: CheckpointEvaluation, data: str) -> RenderableType:
    """The metrics and how they were computed; `data` names the data set."""
    table = new_table("metric", "IoU", "objects", "detections per image", "value")
    for field, name, iou, objects, most in FIGURES:
        table.add_row(name, iou, objects, f"at most {most}", figure(found.evaluation, field))
    return Group(_headline(found, data), Text(), table, Text(), _footer(found))


def _headline(found: CheckpointEvaluation, data: str) -> Text:
    trained = f", after {pluralize(found.epoch, 'epoch')}" if found.epoch is not None else ""
    return Text.assemble(
        (f"AP {figure(found.evaluation, 'ap')}", "bold"), f": {found.checkpoint}{trained}\n",
        (f"on {data}; {found.case.title}", "dim"),
    )  # fmt: skip


def _footer(found: CheckpointEvaluation) -> Text:
    evaluation = found.evaluation
    if evaluation.protocol == "published":
        protocol = "published: detections on images without annotations are not counted"
    else:
        protocol = "every-image: detections count on all images"
    return Text(
        f"protocol {protocol}\n"
        f"{pluralize(evaluation.images, 'image')}, {pluralize(evaluation.detections, 'detection')} evaluated by "
        f"{found.case.options['engine']}\n"
        f"{rounded(found.detect_seconds, 3)} s to detect ({rounded(found.images_per_second, 3)} images/s over all "
        f"ranks), {rounded(found.judge_seconds, 3)} s to evaluate",
        "dim",
    )


def figure(evaluation: Evaluation, field: str) -> str:
    """One of the metrics as text."""
    value: float = getattr(evaluation, field)
    return "no such object" if value < 0 else f"{value:.4f}"
