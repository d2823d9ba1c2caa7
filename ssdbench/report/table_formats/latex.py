"""Tables in LaTeX: `table` environments that fit a page, for documents with the packages booktabs and graphicx.

Headings break into lines, what is still wider than the text is scaled down, and long tables continue in another float.
"""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.text_table import TextTable, as_text, joined, news, wrapped
from ssdbench.schema.table import Table

MOST_ROWS = 36
"""Rows of a float: with heading, caption and notes they fit a page of A4 or Letter."""
FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{"
"""Scales its argument down to the width of the text, and leaves narrower ones as they are."""


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A float for each table, or several for a long one; context that is shared is below the first."""
    return joined(
        part
        for table, context in news(tables)
        for part in _floats(table, context, as_text(table, uncertainty=uncertainty))
    )


def _floats(table: Table, context: Sequence[tuple[str, str]], shown: TextTable) -> list[str]:
    starts = range(0, max(1, len(shown.rows)), MOST_ROWS)
    return [
        _float(
            table.title if start == 0 else f"{table.title} (continued)",
            context if start == 0 else (),
            shown,
            shown.rows[start : start + MOST_ROWS],
        )
        for start in starts
    ]


def _float(
    title: str, context: Sequence[tuple[str, str]], shown: TextTable, rows: Sequence[tuple[tuple[str, int], ...]]
) -> str:
    short = escape.latex(title.partition(": ")[0])
    lines = [r"\begin{table}[htbp]", r"\centering", rf"\caption[{short}]{{{escape.latex(title)}}}", FIT]
    lines += [rf"\begin{{tabular}}{{{'r' * len(shown.headings)}}}", r"\toprule"]
    lines += [_row([_heading(text) for text in shown.headings]), r"\midrule"]
    lines += [
        _row([escape.latex(text) + (f"\\textsuperscript{{{note}}}" if note else "") for text, note in row])
        for row in rows
    ]
    lines += [r"\bottomrule", r"\end{tabular}}", r"\par\smallskip\footnotesize\raggedright"]
    if context:
        lines.append("; ".join(f"{escape.latex(name)}: {escape.latex(value)}" for name, value in context))
    used = {note for row in rows for _, note in row}
    for number, note in enumerate(shown.notes, start=1):
        if number in used:
            lines.append(rf"\par\textsuperscript{{{number}}} {escape.latex(note)}")
    lines += [rf"\par {escape.latex(remark)}" for remark in shown.remarks]
    return "\n".join([*lines, r"\end{table}"])


def _heading(text: str) -> str:
    lines = [escape.latex(line) for line in wrapped(text)]
    return lines[0] if len(lines) == 1 else r"\shortstack[r]{" + r" \\ ".join(lines) + "}"


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
