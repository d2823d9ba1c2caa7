"""Tables as plain text for a terminal, as wide as that is: what does not fit continues in a block below."""

import shutil
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

from ssdbench.report.text_table import TextTable, as_text, joined, news, wrapped
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.table import Table

_NO_TERMINAL = 10_000
_GAP = "  "


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """Each table with its context above, as far as the table before had another, and its notes below."""
    width = shutil.get_terminal_size((_NO_TERMINAL, 24)).columns
    return joined(_one(table, context, uncertainty, width) for table, context in news(tables))


def _one(table: Table, context: Sequence[tuple[str, str]], uncertainty: bool, width: int) -> str:
    shown = as_text(table, uncertainty=uncertainty)
    parts = _paragraph(table.title, width, "")
    for name, value in context:
        parts += _paragraph(f"  {one_line(name)}: {value}", width, "    ")
    for block in _blocks(shown, width):
        parts += ["", *block]
    parts += [""] if shown.notes or shown.remarks else []
    for number, note in enumerate(shown.notes, start=1):
        parts += _paragraph(f"[{number}] {note}", width, "    ")
    for remark in shown.remarks:
        parts += _paragraph(remark, width, "")
    return "\n".join(parts)


def _paragraph(text: str, width: int, indent: str) -> list[str]:
    first = text[: len(text) - len(text.lstrip(" "))]
    wrapper = textwrap.TextWrapper(width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
    return wrapper.wrap(one_line(text)) or [""]


def _blocks(shown: TextTable, width: int) -> list[list[str]]:
    """The lines of the table, in as many blocks as the width asks for; each begins with the labels."""
    cells = [[one_line(text) + (f" [{note}]" if note else "") for text, note in row] for row in shown.rows]
    headings = _lines_of([wrapped(text, 11) for text in shown.headings], from_below=True)
    lines = [*headings, *cells]
    if sum(_widths(lines)) + len(_GAP) * (len(shown.headings) - 1) > width:
        wrapped_rows = [
            _lines_of([wrapped(text) if place < shown.labels else [text] for place, text in enumerate(row)])
            for row in cells
        ]
        cells = [line for row in wrapped_rows for line in row]
    widths = _widths([*headings, *cells])
    rule = ["-" * size for size in widths]
    blocks = []
    for columns in _packed(widths, shown.labels, width):
        head = [line for line in headings if any(line[column] for column in columns)]
        sizes = [widths[column] for column in columns]
        blocks.append([_line([row[column] for column in columns], sizes) for row in (*head, rule, *cells)])
    return blocks


def _lines_of(cells: Sequence[Sequence[str]], *, from_below: bool = False) -> list[list[str]]:
    """The lines of a row whose cells have several lines each; `from_below` fills up above, not below."""
    height = max(map(len, cells))
    gaps = [[""] * (height - len(cell)) for cell in cells]
    filled = [[*gap, *cell] if from_below else [*cell, *gap] for cell, gap in zip(cells, gaps, strict=True)]
    return [list(line) for line in zip(*filled, strict=True)]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def _packed(widths: Sequence[int], labels: int, width: int) -> list[list[int]]:
    """The columns of each block: all labels, and as many others as fit, but one at least."""
    start = list(range(labels))
    blocks = [list(start)]
    for column in range(labels, len(widths)):
        needed = sum(widths[c] + len(_GAP) for c in blocks[-1]) + widths[column]
        if needed > width and len(blocks[-1]) > labels:
            blocks.append(list(start))
        blocks[-1].append(column)
    return blocks


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (" " * (width - cell_len(text)) + text for text, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()
