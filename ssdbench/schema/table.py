"""Tables as data: the value of each cell, its uncertainty, and why a cell is empty. Reports turn them into text."""

from __future__ import annotations

from collections.abc import Mapping

from ssdbench.compatibility import dataclass

LABELS: Mapping[str, str] = {
    "gpus": "GPUs",
    "batch_size_per_gpu": "Batch size / GPU",
    "batch_size": "Batch size",
    "precision": "Precision",
    "workload": "Workload",
}
"""A label of a table's rows, with its heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value in its column's unit, or the word shown instead.

    `low` and `high` bound the figure with a confidence of 95 %; None where the launches cannot say. `decimals` fixes
    how it is printed; None rounds to what the bounds support. `note` is a sentence below the table: why there is no
    figure, or what to know of it.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    word: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's content: `metric` and `precision` name it for programs ("" is any), `title` and `unit` for people."""

    title: str
    unit: str
    metric: str
    precision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a label for each of the table's `labels`, a cell for each of its columns."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with all that belongs to it.

    `context` says of what the figures are: hardware, container, date and conditions, each a name and a value. `labels`
    are keys of `LABELS`. `notes` stand below the table as they are. `workload` is that of all rows, "" where each row
    has its own.
    """

    title: str
    context: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    workload: str = ""
