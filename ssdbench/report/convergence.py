"""Trainings for a terminal: verdicts, seed distributions, stability tables and published accuracies."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.report.tables import GAP_STYLE, new_table, status_style, status_word
from ssdbench.schema.convergence import ConvergenceVerdict, DistributionHeader, PublishedTraining, Stability
from ssdbench.schema.published import SEED_FIGURES
from ssdbench.schema.text import interval, percent, pluralize


def render_convergence(verdict: ConvergenceVerdict) -> RenderableType:
    """The verdict in one word and one sentence, its values, and further findings."""
    what = f"early gate after epoch {verdict.epoch}" if verdict.epoch is not None else "end of training"
    head = Text.assemble(
        (f"{status_word(verdict.status).upper()}", status_style(verdict.status)),
        f" ({what}, baseline {verdict.baseline}): {verdict.sentence}",
    )
    parts: list[RenderableType] = [head]
    if verdict.change is not None:
        parts += [Text(), _figures(verdict)]
    parts += [Text.assemble("\n" if not number else "", "· ", found) for number, found in enumerate(verdict.findings)]
    return Group(*parts)


def render_stability(rows: Mapping[str, Stability], conditions: str) -> RenderableType:
    """The table of the published model card: one row for each precision, computed from final AP."""
    table = new_table("precision", "seeds", "average mAP", "standard deviation", "minimum", "maximum", "median")
    for precision, row in rows.items():
        values = (row.mean, row.sd, row.minimum, row.maximum, row.median)
        cells = ["-" if value is None else f"{value:.5f}" for value in values]
        table.add_row(precision, str(row.seeds), *cells)
    return Group(table, Text(conditions, "dim"))


def render_distribution(header: DistributionHeader, row: Stability) -> RenderableType:
    """One seed distribution: why it was accepted, what was trained, and its stability."""
    recipe = header.recipe
    about = Text.assemble(
        (f"seed distribution {header.name}", "bold"),
        f": {pluralize(header.seeds, 'seed')} of {recipe.case.title}\n",
        f"accepted {header.accepted_at} from {', '.join(header.run_ids)}\n",
        f"because: {header.reason}\n",
        f"{recipe.epochs} epochs, global batch {recipe.global_batch_size}, on {recipe.hardware.key}",
    )
    return Group(about, Text(), render_stability({recipe.case.precision: row}, conditions_of(row)))


def render_replaced(old: Stability, new: Stability) -> RenderableType:
    """The seed distribution that is replaced, and the new one."""
    change = f"mean {percent(new.mean / old.mean - 1, 2, sign='+')}"
    return render_stability({"replaced": old, "new": new}, f"{change}; {conditions_of(new)}")


def conditions_of(row: Stability) -> str:
    """How the values of a stability table are computed."""
    divisor = "seeds - 1" if row.seeds > 1 else "nothing: one seed has no SD"
    return f"mAP: AP@[.50:.95] of the last evaluation, computed from the curves; SD divides by {divisor}"


def render_distributions(headers: Iterable[DistributionHeader]) -> RenderableType:
    """All seed distributions by name."""
    table = new_table("name", "seeds", "what was trained", "accepted", "because", number_columns=False)
    for header in headers:
        table.add_row(
            header.name, str(header.seeds), header.recipe.case.title, header.accepted_at[:10], Text(header.reason)
        )
    return table


def render_published(trainings: Sequence[PublishedTraining]) -> RenderableType:
    """NVIDIA's published accuracies: single trainings, then tables over seeds, with what is wrong in each."""
    single = new_table("container", "GPU", "GPUs", "batch per GPU", "precision", "mAP")
    over_seeds = new_table("container", "GPU", "precision", "average", "SD", "minimum", "maximum", "median")
    for training in trainings:
        figures = {figure.metric: f"{figure.value:.{min(5, figure.decimals)}f}" for figure in training.figures}
        style = GAP_STYLE if training.faults else ""
        if "map" in figures:
            sizes = (str(training.gpus), str(training.batch_size_per_gpu), training.precision)
            single.add_row(training.container, training.gpu, *sizes, figures["map"], style=style)
        else:
            cells = (figures.get(name, "-") for name in SEED_FIGURES)
            over_seeds.add_row(training.container, training.gpu, training.precision, *cells, style=style)
    return Group(*_published_parts(single, over_seeds, trainings))


def _published_parts(single: Table, over_seeds: Table, trainings: Sequence[PublishedTraining]) -> list[RenderableType]:
    reference = "published by NVIDIA, for reference; no run is judged against these"
    parts: list[RenderableType] = [Text(reference, "bold"), Text(), single, Text(), over_seeds]
    for training in trainings:
        name = f"{training.container} {training.gpu} {training.precision}"
        for number, fault in enumerate(training.faults):
            word = "refused" if len(training.figures) > 1 else "note"
            parts.append(Text.assemble("\n" if not number else "", (f"{name}, {word}: ", GAP_STYLE), fault))
    return parts


def _figures(verdict: ConvergenceVerdict) -> Table:
    assert verdict.change is not None
    assert verdict.low is not None
    assert verdict.high is not None
    table = new_table("", "baseline", "candidate", "change", "bounds", "seeds", "smallest drop found")
    low, high = interval(verdict.low, verdict.high, 2)
    drop = "-"
    if verdict.smallest_detectable_drop is not None and verdict.detection_power is not None:
        drop = f"{percent(verdict.smallest_detectable_drop, 2)} (in {100 * verdict.detection_power:.0f} of 100)"
    table.add_row(
        "AP (geometric mean)",
        *("-" if value is None else f"{value:.5f}" for value in (verdict.baseline_ap, verdict.candidate_ap)),
        percent(verdict.change, 2, sign="+"),
        f"{low[:-1]}..{high}",
        f"{verdict.baseline_seeds}+{verdict.candidate_seeds}",
        drop,
    )
    return table
