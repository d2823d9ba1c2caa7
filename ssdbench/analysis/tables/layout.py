"""Sheets of figures -> tables in the layout that NVIDIA publishes for this model.

A sheet holds every figure of one machine and one software; measured ones come from `measured`, published ones from
`published`. Both go through the same layout, so the columns of both are computed in the same way:

* Speed-up is the throughput (or time to train) of a precision over that of the reference precision, tf32 where the
  sheet has it, else fp32, at the same number of GPUs and batch size. If the reference was not measured at that batch
  size, its largest smaller batch is used, with a note, as the published tables say they do.
* Weak scaling is throughput over that of 1 GPU at the same batch size per GPU; for inference, over that of the smallest
  batch size.
* A ratio needs both figures; its bounds combine theirs as independent errors.
* Efficiency (arithmetic, MFU, energy, memory) is a table by itself, of what is known; nothing is published of it.
* The times of steps are a table of latencies only where every step was waited for, as in the published benchmark.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ssdbench.analysis.convergence.seeds import ACCURACY
from ssdbench.analysis.tables.sheet import (
    EFFICIENCY,
    LATENCIES,
    NO_RATIO,
    NOT_PLANNED,
    SUMMARY_TITLES,
    Cells,
    Sheet,
    ratio,
)
from ssdbench.schema.case import NOT_USED, PRECISIONS
from ssdbench.schema.table import Cell, Column, Row, Table

_PRECISION_TITLES = {"fp32": "FP32", "tf32": "TF32", "amp": "mixed precision", "bf16": "BF16"}
_TITLES = {
    "train": "Training performance",
    "infer": "Inference performance",
    "detect": "Detection performance",
    "input": "Input performance",
}
_BY_BATCH = ("infer", "detect")
_STEP_TIMES = {
    True: ("latency", "Latency: from asking for a batch to the end of its work, with nothing else under way."),
    False: (
        "step time",
        "Step time: of batches submitted ahead of the device, so it is not a latency; measure that with the option "
        "timing=synchronised.",
    ),
}
_SPEEDUP = "_speedup"
_MFU_NOTE = "MFU: arithmetic of the model over the rate of a matrix product, both of the same session and device."


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The places of one table; `cells` by gpus, batch size and precision."""

    sheet: Sheet
    workload: str
    conditions: str
    is_synchronised: bool
    cells: Mapping[tuple[int, int, str], Cells] = field(default_factory=dict)

    @cached_property
    def precisions(self) -> list[str]:
        known = list(PRECISIONS)
        found = {precision for _, _, precision in self.cells}
        return sorted(found, key=lambda name: (known.index(name) if name in known else -1, name))

    @cached_property
    def rows(self) -> list[tuple[int, int]]:
        return sorted({(gpus, batch) for gpus, batch, _ in self.cells}, key=lambda row: (row[1], row[0]))

    @property
    def reference(self) -> str:
        return next((name for name in ("tf32", "fp32") if name in self.precisions), self.precisions[0])

    def cell(self, gpus: int, batch: int, precision: str, metric: str) -> Cell:
        return self.cells.get((gpus, batch, precision), {}).get(metric, self.sheet.absent)

    def table(self, title: str, labels: tuple[str, ...], columns: Sequence[Column], rows: Iterable[Row]) -> Table:
        context = self.sheet.context + ((("conditions", self.conditions),) if self.conditions else ())
        return Table(
            title=f"{title}: {self.sheet.title}",
            context=context,
            labels=labels,
            columns=tuple(columns),
            rows=tuple(rows),
            notes=self.sheet.notes,
            workload=self.workload,
        )


def published_style(sheets: Iterable[Sheet]) -> tuple[Table, ...]:
    """Every table that the sheets have figures for, a sheet after the other, in the published order."""
    return tuple(table for sheet in sheets for block in _blocks(sheet) for table in _tables(block))


def _blocks(sheet: Sheet) -> list[_Block]:
    found: dict[tuple[str, str, bool], dict[tuple[int, int, str], Cells]] = defaultdict(dict)
    for place, cells in sheet.cells.items():
        key = (place.workload, place.conditions, place.is_synchronised)
        found[key][place.gpus, place.batch_size_per_gpu, place.precision] = cells
    order = [ACCURACY, *_TITLES]
    keys = sorted(found, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))
    return [
        _Block(sheet=sheet, workload=workload, conditions=conditions, is_synchronised=waited_for, cells=cells)
        for (workload, conditions, waited_for), cells in ((key, found[key]) for key in keys)
    ]


def _tables(block: _Block) -> list[Table]:
    if block.workload == ACCURACY:
        return [table for table in (_accuracy(block), _stability(block)) if table]
    tables = [_throughput(block)]
    if block.workload in _BY_BATCH and any(set(LATENCIES) & set(cells) for cells in block.cells.values()):
        tables.append(_step_times(block))
    efficiency = _efficiency(block)
    return [*tables, efficiency] if efficiency else tables


def _throughput(block: _Block) -> Table:
    columns = [
        Column(title=_titled("Throughput", name), unit="images/s", metric="throughput", precision=name)
        for name in block.precisions
    ]
    columns += _speedup_columns(block, "throughput", "Throughput speed-up")
    columns += [
        Column(title=_titled("Weak scaling", name), unit="%", metric="weak_scaling", precision=name)
        for name in block.precisions
    ]
    title = _TITLES.get(block.workload, f"Throughput of {block.workload}")
    by_batch = block.workload in _BY_BATCH and {gpus for gpus, _ in block.rows} == {1}
    labels = ("batch_size",) if by_batch else ("gpus", "batch_size_per_gpu")
    rows = [
        Row(
            labels=(str(batch),) if by_batch else (str(gpus), str(batch)),
            cells=tuple(_cell(block, column, gpus, batch) for column in columns),
        )
        for gpus, batch in block.rows
    ]
    table = block.table(title, labels, columns, rows)
    return replace(table, notes=(*table.notes, "Throughput is that of all GPUs together (global)."))


def _speedup_columns(block: _Block, metric: str, title: str) -> list[Column]:
    reference, others = block.reference, [name for name in block.precisions if name != block.reference]
    return [
        Column(
            title=f"{title} ({_PRECISION_TITLES.get(reference, reference)} - {_PRECISION_TITLES.get(name, name)})",
            unit="%",
            metric=f"{metric}{_SPEEDUP}",
            precision=name,
        )
        for name in others
    ]


def _cell(block: _Block, column: Column, gpus: int, batch: int) -> Cell:
    name, metric = column.precision, column.metric
    if metric.endswith(_SPEEDUP):
        return _speedup(block, gpus, batch, name, metric.removesuffix(_SPEEDUP))
    if metric == "weak_scaling":
        return _scaling(block, gpus, batch, name)
    return block.cell(gpus, batch, name, metric)


def _speedup(block: _Block, gpus: int, batch: int, precision: str, metric: str) -> Cell:
    whole = block.sheet.whole_percent
    here = block.cell(gpus, batch, precision, metric)
    base, note = block.cell(gpus, batch, block.reference, metric), ""
    if base.value is None and here.value is not None:
        smaller = [b for g, b in block.rows if g == gpus and b < batch]
        measured = [b for b in smaller if block.cell(gpus, b, block.reference, metric).value is not None]
        if not measured:
            return NO_RATIO
        base = block.cell(gpus, measured[-1], block.reference, metric)
        note = f"against {block.reference} at batch size {measured[-1]}, its largest"
    top, bottom = (base, here) if metric == "time_to_train" else (here, base)
    return ratio(top, bottom, note=note, whole=whole)


def _scaling(block: _Block, gpus: int, batch: int, precision: str) -> Cell:
    here = block.cell(gpus, batch, precision, "throughput")
    base = block.cell(1, batch, precision, "throughput")
    if block.workload in _BY_BATCH:
        cells = (block.cell(g, b, precision, "throughput") for g, b in block.rows if g == gpus)
        base = next((cell for cell in cells if cell.value is not None), NOT_PLANNED)
    return ratio(here, base, whole=block.sheet.whole_percent)


def _step_times(block: _Block) -> Table:
    columns = [Column(title=title, unit="ms", metric=metric) for metric, title in LATENCIES.items()]
    rows = [
        Row(
            labels=(name, str(gpus), str(batch)),
            cells=tuple(block.cell(gpus, batch, name, metric) for metric in LATENCIES),
        )
        for name in block.precisions
        for gpus, batch in block.rows
        if (gpus, batch, name) in block.cells
    ]
    name, note = _STEP_TIMES[block.is_synchronised]
    title = _TITLES[block.workload].replace("performance", name)
    table = block.table(title, ("precision", "gpus", "batch_size_per_gpu"), columns, rows)
    return replace(table, notes=(*table.notes, note))


def _efficiency(block: _Block) -> Table | None:
    """How far the cases are from what the device can do, with a column for all that is known of any of them."""
    known = [metric for metric in EFFICIENCY if any(metric in cells for cells in block.cells.values())]
    if not known:
        return None
    columns = [Column(title=EFFICIENCY[metric][0], unit=EFFICIENCY[metric][1], metric=metric) for metric in known]
    rows = [
        Row(
            labels=(name, str(gpus), str(batch)),
            cells=tuple(block.cells[gpus, batch, name].get(metric, NO_RATIO) for metric in known),
        )
        for name in block.precisions
        for gpus, batch in block.rows
        if set(known) & block.cells.get((gpus, batch, name), {}).keys()
    ]
    title = _TITLES[block.workload].replace("performance", "efficiency")
    table = block.table(title, ("precision", "gpus", "batch_size_per_gpu"), columns, rows)
    return replace(table, notes=(*table.notes, *([_MFU_NOTE] if "mfu" in known else [])))


def _accuracy(block: _Block) -> Table | None:
    columns = [
        Column(title=_titled(title, name), unit=unit, metric=metric, precision=name)
        for title, metric, unit in (("Accuracy", "map", "AP"), ("Time to train", "time_to_train", "min"))
        for name in block.precisions
    ]
    columns += _speedup_columns(block, "time_to_train", "Time to train speed-up")
    rows = [
        Row(labels=(str(gpus), str(batch)), cells=tuple(_cell(block, column, gpus, batch) for column in columns))
        for gpus, batch in block.rows
        if any("map" in block.cells.get((gpus, batch, name), {}) for name in block.precisions)
    ]
    if not rows:
        return None
    table = block.table("Training accuracy", ("gpus", "batch_size_per_gpu"), columns, rows)
    return replace(table, notes=(*table.notes, "Accuracy is the final COCO AP, averaged over IoU 0.50 to 0.95."))


def _stability(block: _Block) -> Table | None:
    columns = [
        Column(title=title, unit="1" if metric == "seeds" else "AP", metric=metric)
        for metric, title in SUMMARY_TITLES.items()
    ]
    rows = [
        Row(
            labels=(name, str(gpus), str(batch)),
            cells=tuple(block.cell(gpus, batch, name, metric) for metric in SUMMARY_TITLES),
        )
        for name in block.precisions
        for gpus, batch in block.rows
        if "map_mean" in block.cells.get((gpus, batch, name), {})
    ]
    labels = ("precision", "gpus", "batch_size_per_gpu")
    return block.table("Training stability over seeds", labels, columns, rows) if rows else None


def _titled(title: str, precision: str) -> str:
    return title if precision == NOT_USED else f"{title} - {_PRECISION_TITLES.get(precision, precision)}"
