"""Tables as CSV for other tools: a row for each cell, with all digits, bounds and notes."""

import csv
import io
from collections.abc import Sequence

from ssdbench.schema.plain_text import csv_cell, one_line
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
        about = {"table": _cell(table.title)} | {name: _cell(context.get(name, "")) for name in CONTEXT}
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                writer.writerow(about | _figures(table, row, column, cell))
    return text.getvalue()


def _figures(table: Table, row: Row, column: Column, cell: Cell) -> dict[str, str]:
    labels = {"workload": table.workload, "precision": column.precision}
    labels |= dict(zip(table.labels, row.labels, strict=True))
    if "batch_size" in labels:
        labels |= {"gpus": "1", "batch_size_per_gpu": labels.pop("batch_size")}
    figures = {"value": cell.value, "low": cell.low, "high": cell.high}
    return {
        **{name: _cell(value) for name, value in labels.items()},
        "metric": column.metric,
        "unit": _cell(column.unit),
        **{name: "" if figure is None else repr(figure) for name, figure in figures.items()},
        "word": _cell(cell.word),
        "note": _cell(cell.note),
    }


def _cell(text: str) -> str:
    return csv_cell(one_line(text))
