"""Tables in every layout, read back by a parser that is not ours; hostile text stays text."""

import csv
import io
import re

import pytest
from lxml import etree
from lxml import html as lxml_html
from markdown_it import MarkdownIt
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexSpecialsNode, LatexWalker

from ssdbench.errors import UsageError
from ssdbench.report import table_formats
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.table import Cell, Column, Row, Table
from tests.report.test_ci import HOSTILE

PLAIN = Table(
    title="Training performance: 8 × X",
    context=(("hardware", "8 × X"), ("container", "25.01"), ("measured", "2026-01-05")),
    labels=("gpus", "batch_size_per_gpu"),
    columns=(
        Column(title="Throughput - TF32", unit="images/s", metric="throughput", precision="tf32"),
        Column(title="Weak scaling", unit="%", metric="weak_scaling", precision="tf32"),
    ),
    rows=(
        Row(labels=("1", "64"), cells=(Cell(value=364.27, low=361.0, high=367.6), Cell(value=100.0, decimals=0))),
        Row(
            labels=("8", "64"), cells=(Cell(word="failed", note="out of memory"), Cell(word="-", note="out of memory"))
        ),
        Row(labels=("8", "128"), cells=(Cell(word="skipped", note="no such GPU"), Cell(value=786.4))),
    ),
    notes=("A remark.",),
)
NASTY = Table(
    title=HOSTILE,
    context=((HOSTILE, HOSTILE), ("container", HOSTILE)),
    labels=("workload",),
    columns=(Column(title=HOSTILE, unit=HOSTILE, metric="x"),),
    rows=(Row(labels=("=1+1|" + HOSTILE,), cells=(Cell(word=HOSTILE, note=HOSTILE),)),),
    notes=(HOSTILE,),
)


def rendered(layout: str, *tables: Table, uncertainty: bool = False) -> str:
    text: str = find_format(table_formats, layout).render(tables, uncertainty=uncertainty)
    text.encode("utf-8")
    return text


def rows_of(tree: etree._Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]


def test_the_shelf_has_the_five_layouts_and_names_them_where_one_is_unknown():
    assert formats(table_formats) == ("csv", "html", "latex", "markdown", "terminal")
    with pytest.raises(UsageError, match="format 'pdf' is not known: choose from csv, html, latex"):
        find_format(table_formats, "pdf")


def test_markdown():
    page = MarkdownIt("commonmark").enable("table").render(rendered("markdown", PLAIN))
    tree = etree.fromstring(f"<page>{page}</page>".encode())
    assert rows_of(tree) == [
        ["GPUs", "Batch size / GPU", "Throughput - TF32 (images/s)", "Weak scaling (%)"],
        ["1", "64", "364", "100"],
        ["8", "64", "failed 1", "- 1"],
        ["8", "128", "skipped 2", "786"],
    ]
    assert [item.text for item in tree.findall("ol/li")] == ["out of memory", "no such GPU"]


def test_html():
    page = lxml_html.document_fromstring(rendered("html", PLAIN, PLAIN).encode())
    section, second = page.findall("body/section")
    assert etree.tostring(section).strip() == etree.tostring(second).strip()
    assert rows_of(section)[1:3] == [["1", "64", "364", "100"], ["8", "64", "failed1", "-1"]]
    assert [item.text for item in section.findall("ol/li")] == ["out of memory", "no such GPU"]
    assert section.find("table/caption").text == "Training performance: 8 × X"


def test_latex():
    text = rendered("latex", PLAIN)
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert r"1 & 64 & 364 & 100 \\" in text
    assert r"8 & 64 & failed\textsuperscript{1} & -\textsuperscript{1} \\" in text
    assert r"Weak scaling (\%)" in text


@pytest.mark.parametrize("table", [PLAIN, NASTY], ids=["plain", "hostile"])
def test_latex_is_read_by_a_parser_of_latex(table: Table):
    nodes, _, _ = LatexWalker(rendered("latex", table), tolerant_parsing=False).get_latex_nodes()
    (environment,) = [node for node in nodes if node.isNodeType(LatexEnvironmentNode)]
    (tabular,) = [n for n in environment.nodelist if n.isNodeType(LatexEnvironmentNode)]
    cells = sum(n.isNodeType(LatexSpecialsNode) and n.specials_chars == "&" for n in tabular.nodelist)
    columns = len(table.labels) + len(table.columns)
    assert cells == (columns - 1) * (1 + len(table.rows))


def test_terminal():
    lines = rendered("terminal", PLAIN, uncertainty=True).splitlines()
    assert ["1", "64", "364", "(361..368)", "100"] in [line.split() for line in lines]
    assert ["8", "128", "skipped", "[2]", "786", "(no", "interval)"] in [line.split() for line in lines]
    assert len({len(line) for line in lines if re.match(r" +\d", line)}) == 1  # columns stand in line
    assert lines[-3:] == ["[1] out of memory", "[2] no such GPU", "A remark."]


def test_csv_has_a_row_a_cell_with_all_digits():
    rows = list(csv.DictReader(io.StringIO(rendered("csv", PLAIN))))
    assert len(rows) == 6
    first = rows[0]
    told = (
        "hardware",
        "container",
        "gpus",
        "batch_size_per_gpu",
        "precision",
        "metric",
        "unit",
        "value",
        "low",
        "high",
    )
    assert [first[name] for name in told] == [
        "8 × X", "25.01", "1", "64", "tf32", "throughput", "images/s", "364.27", "361.0", "367.6",
    ]  # fmt: skip
    assert (rows[2]["value"], rows[2]["word"], rows[2]["note"]) == ("", "failed", "out of memory")


@pytest.mark.parametrize("layout", ["markdown", "html"])
def test_hostile_text_is_no_markup(layout: str):
    text = rendered(layout, NASTY)
    if layout == "markdown":
        text = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tree = lxml_html.document_fromstring(text)
    assert not list(tree.iter("script", "a", "em", "strong", "code", "img"))
    assert {len(row) for row in rows_of(tree)} == {2}
    assert "<script>alert(1)</script> & ]]>" in "".join(tree.itertext())


def test_hostile_text_is_no_latex():
    text = rendered("latex", NASTY)
    bare = re.sub(r"\\textbackslash\{\}|\\[{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    for character in "%#_^~<>|":
        assert character not in bare
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [1, 1]


def test_hostile_text_neither_breaks_the_lines_nor_the_cells_of_csv_and_terminal():
    (row,) = csv.DictReader(io.StringIO(rendered("csv", NASTY)))
    assert row["workload"].startswith("'=1+1|")
    assert "\x1b" not in rendered("terminal", NASTY)
    assert "\u202e" not in rendered("terminal", NASTY)
