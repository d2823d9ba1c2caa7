"""Tables in every layout, read back by a parser that is not ours; hostile text stays text."""

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from lxml import html as lxml_html
from markdown_it import MarkdownIt
from pylatexenc.latexwalker import LatexSpecialsNode, LatexWalker

from ssdbench.errors import UsageError
from ssdbench.report import table_formats
from ssdbench.report.formats import find_format, formats
from ssdbench.report.table_formats import latex
from ssdbench.report.text_table import as_text
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

WIDE_AND_LONG = Table(
    title="Training performance: 8 × X",
    context=(("hardware", "8 × X (8x-x)"), ("software", "torch 2.11.0, CUDA 13.0")),
    labels=("gpus", "batch_size_per_gpu"),
    columns=tuple(
        Column(title=f"Throughput speed-up (TF32 - precision {n})", unit="images/s", metric="x") for n in range(14)
    ),
    rows=tuple(
        Row(labels=("8", str(batch)), cells=tuple(Cell(value=12345.678 + n, low=1e4, high=2e4) for n in range(14)))
        for batch in range(100)
    ),
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
    assert r"\shortstack[r]{Weak scaling \\ (\%)}" in text


def inner(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from inner(getattr(node, "nodelist", None) or ())
        yield from inner(argument for argument in getattr(getattr(node, "nodeargd", None), "argnlist", ()) if argument)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is missing")
@pytest.mark.parametrize("table", [PLAIN, NASTY, WIDE_AND_LONG], ids=["plain", "hostile", "wide and long"])
def test_latex_compiles_and_fits_the_page(table: Table, tmp_path: Path):
    preamble = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
    (tmp_path / "t.tex").write_text(preamble + rendered("latex", table) + "\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "t.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    assert (tmp_path / "t.pdf").is_file()
    assert "Float too large" not in log
    assert "Overfull \\hbox" not in log


@pytest.mark.parametrize("table", [PLAIN, NASTY], ids=["plain", "hostile"])
def test_latex_is_read_by_a_parser_of_latex(table: Table):
    nodes, _, _ = LatexWalker(rendered("latex", table), tolerant_parsing=False).get_latex_nodes()
    (tabular,) = [node for node in inner(nodes) if getattr(node, "environmentname", "") == "tabular"]
    cells = sum(n.isNodeType(LatexSpecialsNode) and n.specials_chars == "&" for n in tabular.nodelist)
    columns = len(table.labels) + len(table.columns)
    assert cells == (columns - 1) * (1 + len(table.rows))


def test_terminal():
    lines = rendered("terminal", PLAIN, uncertainty=True).splitlines()
    assert ["1", "64", "364", "(361..368)", "100"] in [line.split() for line in lines]
    assert ["8", "128", "skipped", "[2]", "786", "(no", "interval)"] in [line.split() for line in lines]
    assert len({len(line) for line in lines if re.match(r" +\d", line)}) == 1  # columns stand in line
    assert lines[-3:] == ["[1] out of memory", "[2] no such GPU", "A remark."]


def test_a_terminal_is_not_wider_than_it_is_and_repeats_the_labels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = rendered("terminal", WIDE_AND_LONG).splitlines()
    assert max(map(len, lines)) <= 80
    blocks = [line for line in lines if line.split()[:2] == ["8", "99"]]
    assert len(blocks) > 1
    assert sum(len(line.split()) - 2 for line in blocks) == 14


def test_a_column_has_equal_decimals_and_three_significant_digits_at_least():
    cells = (Cell(value=0.52, low=0.4, high=0.6), Cell(value=98.7654, low=98.76, high=98.77), Cell(word="failed"))
    rows = tuple(Row(labels=(str(n), "1"), cells=(cell, Cell(value=n, decimals=0))) for n, cell in enumerate(cells))
    shown = as_text(replace(PLAIN, rows=rows), uncertainty=False)
    assert [row[2][0] for row in shown.rows] == ["0.520", "98.765", "failed"]
    assert [row[3][0] for row in shown.rows] == ["0", "1", "2"]


@pytest.mark.parametrize("layout", ["terminal", "markdown", "latex"])
def test_what_tables_share_is_said_once(layout: str):
    other = replace(PLAIN, context=(*PLAIN.context, ("conditions", "compiled")))
    text = rendered(layout, PLAIN, other)
    assert (text.count("2026-01-05"), text.count("compiled")) == (1, 1)


def test_the_csv_of_a_table_of_one_workload_names_it():
    (row, *_) = csv.DictReader(io.StringIO(rendered("csv", replace(PLAIN, workload="train"))))
    assert row["workload"] == "train"


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
    text = rendered("latex", NASTY).replace(latex.FIT, "{")
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
