"""Tables in HTML: a fragment of sections to put into a page, without style or script of its own."""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.cells import joined, lay
from ssdbench.schema.table import Table


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A section for each table."""
    return joined(_section(table, uncertainty) for table in tables)


def _section(table: Table, uncertainty: bool) -> str:
    laid = lay(table, uncertainty=uncertainty)
    lines = ['<section class="ssdbench-table">', "<dl>"]
    lines += [f"<dt>{escape.html(name)}</dt><dd>{escape.html(value)}</dd>" for name, value in table.context]
    lines += ["</dl>", "<table>", f"<caption>{escape.html(table.title)}</caption>"]
    headings = "".join(f'<th scope="col">{escape.html(text)}</th>' for text in laid.headings)
    lines += [f"<thead><tr>{headings}</tr></thead>", "<tbody>"]
    for row in laid.rows:
        labels = "".join(f'<th scope="row">{escape.html(text)}</th>' for text, _ in row[: laid.labels])
        cells = "".join(f"<td>{escape.html(text)}{_mark(note)}</td>" for text, note in row[laid.labels :])
        lines.append(f"<tr>{labels}{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    if laid.notes:
        lines += ["<ol>", *(f"<li>{escape.html(note)}</li>" for note in laid.notes), "</ol>"]
    lines += [f"<p>{escape.html(remark)}</p>" for remark in laid.remarks]
    return "\n".join([*lines, "</section>"])


def _mark(note: int) -> str:
    return f"<sup>{note}</sup>" if note else ""
