"""Measured values next to NVIDIA's published ones for the same GPU model, with the difference and its limits."""

import re
from collections.abc import Iterable, Sequence

from ssdbench.analysis.convergence.seeds import ACCURACY
from ssdbench.analysis.tables.published import published_sheets
from ssdbench.analysis.tables.sheet import Place, Sheet
from ssdbench.errors import UsageError
from ssdbench.schema.environment import Hardware
from ssdbench.schema.published import PublishedFigure
from ssdbench.schema.table import Cell, Column, Row, Table

WARNINGS = (
    "Published and measured figures come from different protocols: a difference is no verdict.",
    "Published training: the clock starts after the batch was taken, so waiting for input is left out, and the device "
    "is synchronised in every step; here the fetch is timed, and one synchronisation ends the region.",
    "Published inference: the median of 20 steps of the forward pass with the fetch of the batch, each waited for, the "
    "input normalised twice; here all timed steps, normalised once, and each waited for where timing=synchronised.",
    "Published accuracy counts no detection on the 48 images of val2017 without annotation.",
)
_COLUMNS = {
    "throughput": ("images/s", ("train", "infer")),
    "map": ("AP", (ACCURACY,)),
    "time_to_train": ("min", (ACCURACY,)),
}
_TITLES = {"throughput": "Throughput", "map": "Accuracy", "time_to_train": "Time to train"}
_GIB_TOLERANCE = 2.0


def against_published(sheet: Sheet, figures: Sequence[PublishedFigure], container: str | None) -> tuple[Table, ...]:
    """A table for each kind of figure that both sides have; `container` None is the newest one published for this GPU.

    Raises:
        UsageError: nothing is published for this GPU model (and container), or no figure is on both sides.
    """
    gpu = published_gpu(sheet.hardware, {figure.gpu for figure in figures})
    of_gpu = [figure for figure in figures if figure.gpu == gpu]
    release = container or max(figure.container for figure in of_gpu)
    (published,) = published_sheets(of_gpu, release)
    tables = [_table(sheet, published, metric, f"{release}, {gpu}") for metric in _COLUMNS]
    found = tuple(table for table in tables if table)
    if not found:
        raise UsageError(
            f"no case of these runs is published for {gpu} with container {release}: the published grid is that of "
            "suite nightly"
        )
    return found


def published_gpu(hardware: Hardware | None, published: Iterable[str]) -> str:
    """The published name of this GPU: equal model name, and equal memory within 2 GiB.

    The published machines are DGX, so a PCIe card of the same name, with its lower power limit, is another model.

    Raises:
        UsageError: none of the published ones.
    """
    known = sorted(published)
    model_name = hardware.gpu_model if hardware and hardware.gpu_model else ""
    words = set(re.split(r"[^A-Za-z0-9]+", model_name.upper()))
    gibibytes = (hardware.gpu_memory_bytes or 0) / 2**30 if hardware else 0.0
    for name in known:
        model, memory = name.split("-")
        if (
            model in words
            and "PCIE" not in words
            and abs(gibibytes - float(memory.removesuffix("GB"))) <= _GIB_TOLERANCE
        ):
            return name
    here = f"{model_name}, {gibibytes:.0f} GiB" if model_name else "a CPU"
    raise UsageError(f"nothing is published for {here}; there are figures for {', '.join(known)}")


def _table(sheet: Sheet, published: Sheet, metric: str, source: str) -> Table | None:
    unit, workloads = _COLUMNS[metric]
    rows, omitted = [], []
    for place, cells in sheet.cells.items():
        there = published.cells.get(_bare(place), {}).get(metric)
        if place.workload in workloads and there is not None and metric in cells:
            rows.append(_row(place, cells[metric], there))
        elif metric in cells:
            omitted.append(_in_words(place))
    if not rows:
        return None
    return Table(
        title=f"{_TITLES[metric]} beside the published one: {sheet.title}",
        context=(*sheet.context, ("published", f"NVIDIA, container {source}")),
        labels=("workload", "gpus", "batch_size_per_gpu", "precision"),
        columns=(
            Column(title="Measured", unit=unit, metric=metric),
            Column(title="Published", unit=unit, metric=f"{metric}_published"),
            Column(title="Difference", unit="%", metric=f"{metric}_difference"),
        ),
        rows=tuple(sorted(rows, key=_order)),
        notes=(*_omitted(omitted), *WARNINGS),
    )


def _omitted(places: Sequence[str]) -> list[str]:
    return [f"Measured, but not published for this GPU and container: {'; '.join(places)}."] if places else []


def _in_words(place: Place) -> str:
    parts = (place.workload, f"{place.gpus} × batch {place.batch_size_per_gpu}", place.precision, place.conditions)
    return " ".join(part for part in parts if part)


def _row(place: Place, here: Cell, there: Cell) -> Row:
    difference = Cell(word="-")
    if here.value is not None and there.value:
        low, high = (None if bound is None else 100 * (bound / there.value - 1) for bound in (here.low, here.high))
        difference = Cell(value=100 * (here.value / there.value - 1), low=low, high=high, decimals=1)
    kind = f"{place.workload} ({place.conditions})" if place.conditions else place.workload
    return Row(
        labels=(kind, str(place.gpus), str(place.batch_size_per_gpu), place.precision),
        cells=(here, there, difference),
    )


def _order(row: Row) -> tuple[str, str, int, int]:
    kind, gpus, batch, precision = row.labels
    return kind, precision, int(batch), int(gpus)


def _bare(place: Place) -> Place:
    return Place(
        workload=place.workload,
        gpus=place.gpus,
        batch_size_per_gpu=place.batch_size_per_gpu,
        precision=place.precision,
    )
