"""Tables in HTML: one page without script, light or dark as the system; each section can be copied by itself."""

from collections.abc import Sequence

from ssdbench.report import escape
from ssdbench.report.text_table import as_text, joined
from ssdbench.schema.table import Table

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ssdbench tables</title>
<style>
:root { color-scheme: light dark; font-family: sans-serif; }
section { margin-bottom: 3em; overflow-x: auto; }
caption { text-align: left; font-weight: bold; padding-bottom: 0.5em; }
table { border-collapse: collapse; }
th, td { padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #8888; font-variant-numeric: tabular-nums; }
dt { float: left; clear: left; width: 8em; }
</style>
</head>
<body>
"""


def render(tables: Sequence[Table], *, uncertainty: bool) -> str:
    """A page with a section for each table."""
    return f"{_HEAD}{joined(_section(table, uncertainty) for table in tables)}</body>\n</html>\n"


def _section(table: Table, uncertainty: bool) -> str:
    shown = as_text(table, uncertainty=uncertainty)
    lines = ['<section class="ssdbench-table">', "<dl>"]
    lines += [f"<dt>{escape.html(name)}</dt><dd>{escape.html(value)}</dd>" for name, value in table.context]
    lines += ["</dl>", "<table>", f"<caption>{escape.html(table.title)}</caption>"]
    headings = "".join(f'<th scope="col">{escape.html(text)}</th>' for text in shown.headings)
    lines += [f"<thead><tr>{headings}</tr></thead>", "<tbody>"]
    for row in shown.rows:
        labels = "".join(f'<th scope="row">{escape.html(text)}</th>' for text, _ in row[: shown.labels])
        cells = "".join(f"<td>{escape.html(text)}{_mark(note)}</td>" for text, note in row[shown.labels :])
        lines.append(f"<tr>{labels}{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    if shown.notes:
        lines += ["<ol>", *(f"<li>{escape.html(note)}</li>" for note in shown.notes), "</ol>"]
    lines += [f"<p>{escape.html(remark)}</p>" for remark in shown.remarks]
    return "\n".join([*lines, "</section>"])


def _mark(note: int) -> str:
    return f"<sup>{note}</sup>" if note else ""
