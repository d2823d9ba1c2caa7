"""One trained model judged in two container images, for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.report.accuracy import FIGURES, figure
from ssdbench.report.tables import new_table, status_style, status_word
from ssdbench.schema.image_evaluation import ImageComparison
from ssdbench.schema.text import percent, pluralize


def render_image_comparison(found: ImageComparison) -> RenderableType:
    """The verdict in one word and one sentence, what each image computed, and further findings."""
    question = found.question
    head = Text.assemble(
        (status_word(found.status).upper(), status_style(found.status)),
        f" ({question.candidate.reference} against {question.baseline.reference}): {found.sentence}",
    )
    parts: list[RenderableType] = [head]
    if found.baseline_evaluation is not None and found.candidate_evaluation is not None:
        parts += [Text(), _figures(found), Text()]
    parts += [Text.assemble("· ", finding) for finding in found.findings]
    parts += [Text(f"{question.checkpoint} on {question.dataset.name} (val); {question.case.title}", "dim")]
    if found.low is not None:
        settings = found.settings
        drawn = f"{pluralize(question.dataset.val_images, 'image')} drawn again {settings.resamples:,} times"
        parts.append(Text(f"interval: {drawn}, the same for both; seed {settings.seed}", "dim"))
    return Group(*parts)


def _figures(found: ImageComparison) -> Table:
    """What each image computed of its own detections."""
    assert found.baseline_evaluation is not None
    assert found.candidate_evaluation is not None
    there, here = found.baseline_evaluation.evaluation, found.candidate_evaluation.evaluation
    table = new_table("metric", "IoU", "objects", "detections per image", "baseline", "candidate", "change")
    for field, name, iou, objects, most in FIGURES:
        old, new = getattr(there, field), getattr(here, field)
        change = percent(new / old - 1, 2, sign="+") if old > 0 and new >= 0 else "-"
        table.add_row(name, iou, objects, f"at most {most}", figure(there, field), figure(here, field), change)
    return table
