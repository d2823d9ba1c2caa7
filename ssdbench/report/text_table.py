"""The cells of a table as text, the same in every format; notes are numbered in the order of the cells."""

from collections.abc import Iterable
from dataclasses import dataclass

from ssdbench.report.numbers import fixed, supported_decimals
from ssdbench.schema.table import LABELS, Cell, Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table as text: `headings` of all columns, labels first, then `rows`, numbered `notes`, and `remarks`.

    A cell is its text and the number of its note, 0 without one. The first `labels` cells of a row are its labels.
    """

    headings: tuple[str, ...]
    labels: int
    rows: tuple[tuple[tuple[str, int], ...], ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]


def as_text(table: Table, *, uncertainty: bool) -> TextTable:
    """The text of every cell; with `uncertainty`, each value is followed by its bounds."""
    notes: dict[str, int] = {}
    rows = []
    for row in table.rows:
        texts = [(label, 0) for label in row.labels]
        for cell in row.cells:
            number = notes.setdefault(cell.note, len(notes) + 1) if cell.note else 0
            texts.append((cell_text(cell, uncertainty=uncertainty), number))
        rows.append(tuple(texts))
    return TextTable(
        headings=(*(LABELS[label] for label in table.labels), *map(heading, table.columns)),
        labels=len(table.labels),
        rows=tuple(rows),
        notes=tuple(notes),
        remarks=table.notes,
    )


def heading(column: Column) -> str:
    """Title and unit of a column."""
    return column.title if column.unit in ("", "1") else f"{column.title} ({column.unit})"


def cell_text(cell: Cell, *, uncertainty: bool) -> str:
    """A value rounded to what its bounds support, or the word that replaces it."""
    if cell.value is None:
        return cell.word
    half_width = None if cell.low is None or cell.high is None else (cell.high - cell.low) / 2
    decimals = supported_decimals(cell.value, half_width) if cell.decimals is None else cell.decimals
    text = fixed(cell.value, decimals)
    if not uncertainty:
        return text
    if cell.low is None or cell.high is None:
        return text if cell.decimals is not None else f"{text} (no interval)"
    return f"{text} ({fixed(cell.low, decimals)}..{fixed(cell.high, decimals)})"


def joined(parts: Iterable[str]) -> str:
    """Documents one after the other, separated by an empty line."""
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)
