"""Tables in Markdown, as GitHub and GitLab render it."""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.text_table import as_text, joined, news
from ssdbench.schema.table import Table


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A heading, the context, the table and its notes, for each table; context that is shared stands once."""
    return joined(_one(table, context, uncertainty) for table, context in news(tables))


def _one(table: Table, context: Sequence[tuple[str, str]], uncertainty: bool) -> str:
    shown = as_text(table, uncertainty=uncertainty)
    lines = [f"### {escape.markdown(table.title)}", ""]
    lines += [f"* {escape.markdown(name)}: {escape.markdown(value)}" for name, value in context]
    lines += [*([""] if context else []), _row([escape.markdown(text) for text in shown.headings])]
    lines.append(_row(["---:"] * len(shown.headings)))
    for row in shown.rows:
        lines.append(_row([escape.markdown(text) + (f" <sup>{note}</sup>" if note else "") for text, note in row]))
    if shown.notes:
        lines += ["", *(f"{number}. {escape.markdown(note)}" for number, note in enumerate(shown.notes, start=1))]
    for remark in shown.remarks:
        lines += ["", escape.markdown(remark)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
