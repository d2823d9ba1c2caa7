"""Tables in the published layout, a row for each cell: what `table --format csv` and `--format parquet` hold."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ssdbench.analysis.frames.columns import Column, build
from ssdbench.schema.table import Cell, Row, Table
from ssdbench.schema.table import Column as TableColumn

_CONTEXT = ("hardware", "container", "measured", "conditions")
CELL_COLUMNS = (
    Column("table", "string", "title of the table"),
    Column("hardware", "string", "the machine and its hardware key"),
    Column("container", "string", "release or image of the container, `none` outside of one"),
    Column("measured", "string", "day or days of the measurement"),
    Column("conditions", "string", "what is the same in the whole table: backbone, pipeline, ..."),
    Column("workload", "string", "the workload, with its conditions where a table has several"),
    Column("gpus", "Int64", "GPUs, or processes on a CPU"),
    Column("batch_size_per_gpu", "Int64", "images of a step on each of them"),
    Column("precision", "string", "`fp32`, `tf32`, `amp`, `bf16`"),
    Column("metric", "string", "what the cell holds, such as `throughput` (global) or `weak_scaling`"),
    Column("unit", "string", "its unit"),
    Column("value", "float64", "the figure, with all its digits; missing where there is none"),
    Column("low", "float64", "lower bound, with a confidence of 95 %"),
    Column("high", "float64", "upper bound"),
    Column("word", "string", "what stands in place of a figure: `skipped`, `failed`, ..."),
    Column("note", "string", "why there is no figure, or what to know of it"),
)


def cells_frame(tables: Iterable[Table]) -> pd.DataFrame:
    """A row for each cell of each table, row by row; the index counts the rows from 0."""
    return build(
        CELL_COLUMNS,
        [
            _row(table, row, column, cell)
            for table in tables
            for row in table.rows
            for column, cell in zip(table.columns, row.cells, strict=True)
        ],
    )


def _row(table: Table, row: Row, column: TableColumn, cell: Cell) -> dict[str, Any]:
    context = dict(table.context)
    labels = {"workload": table.workload, "precision": column.precision}
    labels |= dict(zip(table.labels, row.labels, strict=True))
    if "batch_size" in labels:
        labels |= {"gpus": "1", "batch_size_per_gpu": labels.pop("batch_size")}
    return {
        "table": table.title,
        **{name: context.get(name) for name in _CONTEXT},
        "workload": labels["workload"] or None,
        **{name: int(labels[name]) if name in labels else None for name in ("gpus", "batch_size_per_gpu")},
        "precision": labels["precision"] or None,
        "metric": column.metric,
        "unit": column.unit,
        **{name: getattr(cell, name) for name in ("value", "low", "high", "word", "note")},
    }
