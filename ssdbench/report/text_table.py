"""The cells of a table as text, the same in every format; notes are numbered in the order of the cells."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ssdbench.report.numbers import fixed, supported_decimals
from ssdbench.schema.plain_text import one_line
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
    decimals = [_decimals([row.cells[place] for row in table.rows]) for place in range(len(table.columns))]
    rows = []
    for row in table.rows:
        texts = [(label, 0) for label in row.labels]
        for cell, places in zip(row.cells, decimals, strict=True):
            number = notes.setdefault(cell.note, len(notes) + 1) if cell.note else 0
            texts.append((cell_text(cell, places, uncertainty=uncertainty), number))
        rows.append(tuple(texts))
    return TextTable(
        headings=(*(LABELS[label] for label in table.labels), *map(heading, table.columns)),
        labels=len(table.labels),
        rows=tuple(rows),
        notes=tuple(notes),
        remarks=table.notes,
    )


def news(tables: Sequence[Table]) -> Iterator[tuple[Table, tuple[tuple[str, str], ...]]]:
    """Each table with what its context says that the table before has not said: what is shared is said once."""
    said: tuple[tuple[str, str], ...] = ()
    for table in tables:
        yield table, tuple(pair for pair in table.context if pair not in said)
        said = table.context


def _decimals(cells: Sequence[Cell]) -> int | None:
    """Decimal places of a column: what the bounds of all its values support, and three significant digits at least.

    None where every cell has its own.
    """
    free = [cell for cell in cells if cell.value is not None and cell.decimals is None]
    if not free:
        return None
    supported = min(supported_decimals(cell.value or 0.0, _half_width(cell)) for cell in free)
    return max(supported, *(supported_decimals(cell.value or 0.0, None) for cell in free))


def _half_width(cell: Cell) -> float | None:
    return None if cell.low is None or cell.high is None else (cell.high - cell.low) / 2


def heading(column: Column) -> str:
    """Title and unit of a column."""
    return column.title if column.unit in ("", "1") else f"{column.title} ({column.unit})"


def cell_text(cell: Cell, decimals: int | None, *, uncertainty: bool) -> str:
    """A value with the decimal places of its column, or its own; or the word that replaces it."""
    if cell.value is None:
        return cell.word
    places = cell.decimals if decimals is None else decimals
    assert places is not None
    text = fixed(cell.value, places)
    if not uncertainty:
        return text
    if cell.low is None or cell.high is None:
        return text if cell.decimals is not None else f"{text} (no interval)"
    return f"{text} ({fixed(cell.low, places)}..{fixed(cell.high, places)})"


def wrapped(heading: str, width: int = 12) -> list[str]:
    """A heading on lines of at most `width` characters, if its words allow it."""
    lines = [""]
    for word in one_line(heading).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def joined(parts: Iterable[str]) -> str:
    """Documents one after the other, separated by an empty line."""
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)
