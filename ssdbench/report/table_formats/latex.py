"""Tables in LaTeX: standard `table` environments; they need no package, only UTF-8 as input encoding."""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.text_table import as_text, joined
from ssdbench.schema.table import Table


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A float for each table."""
    return joined(_float(table, uncertainty) for table in tables)


def _float(table: Table, uncertainty: bool) -> str:
    shown = as_text(table, uncertainty=uncertainty)
    context = "; ".join(f"{escape.latex(name)}: {escape.latex(value)}" for name, value in table.context)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape.latex(table.title)}}}"]
    lines += [rf"\begin{{tabular}}{{{'r' * len(shown.headings)}}}", r"\hline"]
    lines += [_row([escape.latex(text) for text in shown.headings]), r"\hline"]
    lines += [
        _row([escape.latex(text) + (f"\\textsuperscript{{{note}}}" if note else "") for text, note in row])
        for row in shown.rows
    ]
    lines += [r"\hline", r"\end{tabular}", rf"\par\footnotesize {context}"]
    for number, note in enumerate(shown.notes, start=1):
        lines.append(rf"\par\footnotesize \textsuperscript{{{number}}} {escape.latex(note)}")
    lines += [rf"\par\footnotesize {escape.latex(remark)}" for remark in shown.remarks]
    return "\n".join([*lines, r"\end{table}"])


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
