"""Tables as plain text for a terminal; columns are as wide as their longest cell."""

from collections.abc import Sequence

from rich.cells import cell_len

from ssdbench.report.text_table import as_text, joined
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.table import Table


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """Each table with its context above and its notes below."""
    return joined(_one(table, uncertainty) for table in tables)


def _one(table: Table, uncertainty: bool) -> str:
    shown = as_text(table, uncertainty=uncertainty)
    cells = [[one_line(text) + (f" [{note}]" if note else "") for text, note in row] for row in shown.rows]
    headings = [_wrapped(text) for text in shown.headings]
    height = max(map(len, headings))
    above = [[*[""] * (height - len(words)), *words] for words in headings]
    lines = [list(line) for line in zip(*above, strict=True)]
    widths = [max(cell_len(row[column]) for row in [*lines, *cells]) for column in range(len(headings))]
    parts = [one_line(table.title), *(f"  {one_line(name)}: {one_line(value)}" for name, value in table.context), ""]
    parts += [_line(line, widths) for line in lines]
    parts.append("  ".join("-" * width for width in widths))
    parts += [_line(row, widths) for row in cells]
    if shown.notes or shown.remarks:
        parts.append("")
    parts += [f"[{number}] {one_line(note)}" for number, note in enumerate(shown.notes, start=1)]
    parts += map(one_line, shown.remarks)
    return "\n".join(parts)


def _wrapped(heading: str, width: int = 12) -> list[str]:
    lines = [""]
    for word in one_line(heading).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (" " * (width - cell_len(text)) + text for text, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
