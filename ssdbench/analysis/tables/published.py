"""NVIDIA's published figures as sheets, with the marks of the source and those of arithmetic."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ssdbench.analysis.convergence.published import SEEDS, printed_stability
from ssdbench.analysis.convergence.seeds import ACCURACY
from ssdbench.analysis.convergence.stability import impossibilities
from ssdbench.analysis.tables.sheet import Cells, Place, Sheet
from ssdbench.errors import UsageError
from ssdbench.schema.published import PublishedFigure
from ssdbench.schema.table import Cell


def published_sheets(figures: Iterable[PublishedFigure], container: str) -> list[Sheet]:
    """One sheet for each machine that this container was published with.

    Raises:
        UsageError: nothing was published with this container.
    """
    found: dict[tuple[str, str], list[PublishedFigure]] = defaultdict(list)
    known = set()
    for figure in figures:
        known.add(figure.container)
        if figure.container == container:
            found[figure.system, figure.gpu].append(figure)
    if not found:
        raise UsageError(f"nothing is published for container {container}; there are {', '.join(sorted(known))}")
    return [_sheet(container, system, gpu, rows) for (system, gpu), rows in found.items()]


def _sheet(container: str, system: str, gpu: str, figures: Sequence[PublishedFigure]) -> Sheet:
    cells: dict[Place, dict[str, Cell]] = defaultdict(dict)
    there: dict[Place, list[PublishedFigure]] = defaultdict(list)
    for figure in figures:
        place = Place(
            workload=ACCURACY if figure.workload == "train_full" else figure.workload,
            gpus=figure.gpus,
            batch_size_per_gpu=figure.batch_size_per_gpu,
            precision=figure.precision,
        )
        cells[place][figure.metric] = _cell(figure)
        there[place].append(figure)
    whole: dict[Place, Cells] = {place: {**found, **_seeds(there[place])} for place, found in cells.items()}
    return Sheet(
        title=f"published, {system} ({gpu})",
        context=(("hardware", f"{system}, {gpu}"), ("container", container), ("measured", "date not published")),
        cells=whole,
        whole_percent=True,
        absent=Cell(word="not published"),
        notes=("Figures as NVIDIA published them; ratios are worked out from them and cut to whole per cent.",),
    )


def _cell(figure: PublishedFigure) -> Cell:
    in_minutes = figure.metric == "time_to_train"
    return Cell(
        value=figure.value / 60 if in_minutes else figure.value,
        decimals=1 if in_minutes else figure.decimals,
        note=figure.note,
    )


def _seeds(figures: Sequence[PublishedFigure]) -> Cells:
    """How many seeds a summary is of, marked where it is impossible; empty where there is no summary."""
    if not any(figure.metric == "map_mean" for figure in figures):
        return {}
    printed = printed_stability(figures)
    fault = "; ".join(impossibilities(printed)) if printed else "a figure is missing"
    return {"seeds": Cell(value=SEEDS, decimals=0, note=f"impossible: {fault}" if fault else "")}
