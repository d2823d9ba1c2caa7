"""Tables in Markdown, as GitHub and GitLab show it."""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.cells import joined, lay
from ssdbench.schema.table import Table


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A heading, the context, the table and its notes, for each table."""
    return joined(_one(table, uncertainty) for table in tables)


def _one(table: Table, uncertainty: bool) -> str:
    laid = lay(table, uncertainty=uncertainty)
    lines = [f"### {escape.markdown(table.title)}", ""]
    lines += [f"* {escape.markdown(name)}: {escape.markdown(value)}" for name, value in table.context]
    lines += ["", _row([escape.markdown(text) for text in laid.headings])]
    lines.append(_row(["---:"] * len(laid.headings)))
    for row in laid.rows:
        lines.append(_row([escape.markdown(text) + (f" <sup>{note}</sup>" if note else "") for text, note in row]))
    if laid.notes:
        lines += ["", *(f"{number}. {escape.markdown(note)}" for number, note in enumerate(laid.notes, start=1))]
    for remark in laid.remarks:
        lines += ["", escape.markdown(remark)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
