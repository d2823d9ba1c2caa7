"""Tables as CSV for other tools: a row for each cell, with all digits, bounds and notes."""

import csv
import io
from collections.abc import Sequence

from ssdbench.report.escape import one_line
from ssdbench.schema.table import Cell, Column, Row, Table

CONTEXT = ("hardware", "container", "measured", "conditions")
LABELS = ("workload", "gpus", "batch_size_per_gpu", "precision")
COLUMNS = ("table", *CONTEXT, *LABELS, "metric", "unit", "value", "low", "high", "word", "note")


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:  # noqa: ARG001  # the signature of a format
    """All cells of all tables; bounds are always included."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        context = dict(table.context)
        about = {"table": one_line(table.title)} | {name: one_line(context.get(name, "")) for name in CONTEXT}
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                writer.writerow(about | _cell(table, row, column, cell))
    return text.getvalue()


def _cell(table: Table, row: Row, column: Column, cell: Cell) -> dict[str, str]:
    labels = {"precision": column.precision} | dict(zip(table.labels, row.labels, strict=True))
    if "batch_size" in labels:
        labels |= {"gpus": "1", "batch_size_per_gpu": labels.pop("batch_size")}
    figures = {"value": cell.value, "low": cell.low, "high": cell.high}
    return {
        **{name: _guarded(one_line(value)) for name, value in labels.items()},
        "metric": column.metric,
        "unit": one_line(column.unit),
        **{name: "" if figure is None else repr(figure) for name, figure in figures.items()},
        "word": _guarded(one_line(cell.word)),
        "note": _guarded(one_line(cell.note)),
    }


def _guarded(text: str) -> str:
    # A spreadsheet would evaluate such a cell as a formula.
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
