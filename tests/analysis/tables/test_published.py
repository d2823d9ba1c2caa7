"""NVIDIA's own ratio columns, worked out again from NVIDIA's own figures; docs/tables.md lists every difference."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.analysis.tables.layout import published_style
from ssdbench.analysis.tables.published import published_sheets
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.readers.published import load_published, read_published
from ssdbench.schema.table import Table
from tests.analysis.tables.printed import PRINTED

ROOT = Path(__file__).parents[3]
FIGURES = load_published(ROOT / "results")
DOCUMENT = (ROOT / "docs/tables.md").read_text(encoding="utf-8")


def tables(container: str) -> dict[tuple[str, str], Table]:
    found = {}
    for sheet in published_sheets(FIGURES, container):
        for table in published_style([sheet]):
            found[table.context[0][1].split(", ")[1], table.title.partition(":")[0]] = table
    return found


def differences() -> Iterator[str]:
    """What is not as printed, a row of the document each: cut to whole per cent, as the newest release prints."""
    for (container, gpu, title), printed in PRINTED.items():
        table = tables(container)[gpu, title]
        ratios = [n for n, column in enumerate(table.columns) if column.unit == "%"]
        for row in table.rows:
            gpus, batch = (1, int(row.labels[0])) if len(row.labels) == 1 else map(int, row.labels)
            for place, theirs in zip(ratios, printed[gpus, batch], strict=True):
                cell, column = row.cells[place], table.columns[place]
                cut = None if theirs is None else math.floor(theirs + 1e-9)
                if cell.value != cut:
                    ours = "-" if cell.value is None else f"{cell.value:.0f}"
                    shown = "N/A" if theirs is None else f"{theirs:g}"
                    where = f"{gpus} GPU, batch {batch}"
                    yield f"| {container} | {gpu} | {title} | {where} | {column.title} | {shown} | {ours} |"


def test_speed_up_and_scaling_are_those_that_nvidia_printed_but_for_the_listed_differences():
    found = list(differences())
    printed = sum(len(values) for rows in PRINTED.values() for values in rows.values())
    assert printed == 129
    assert [row for row in DOCUMENT.splitlines() if row.startswith(("| 22.10 |", "| 19.08 |"))] == found


def test_where_19_08_prints_two_digits_ours_agree_within_what_rounded_inputs_allow():
    sheet = published_sheets(FIGURES, "19.08")[0]
    for title, rows in (("Training performance", "train"), ("Inference performance", "infer")):
        printed = PRINTED["19.08", "V100-16GB", title]
        (table,) = (t for t in published_style([replace(sheet, whole_percent=False)]) if t.title.startswith(title))
        ratios = [n for n, column in enumerate(table.columns) if column.unit == "%"]
        for row in table.rows:
            key = (1, int(row.labels[0])) if len(row.labels) == 1 else (int(row.labels[0]), int(row.labels[1]))
            for place, theirs in zip(ratios, printed[key], strict=True):
                if theirs is not None:
                    assert row.cells[place].value == pytest.approx(theirs, abs=0.04), (rows, key)


def test_published_figures_keep_their_digits_and_their_marks():
    table = tables("22.10")["A100-80GB", "Training accuracy"]
    first = table.rows[0].cells
    assert (first[0].value, first[0].decimals) == (0.271, 3)
    time = first[2]
    assert time.value == pytest.approx(11999 / 60)
    assert "suspect in the source" in time.note


def test_the_published_seed_tables_are_impossible_and_marked_so():
    table = tables("22.10")["A100-80GB", "Training stability over seeds"]
    notes = [row.cells[0].note for row in table.rows]
    apart = [re.match(r"impossible: mean and median lie (0.\d+) apart, more than", note) for note in notes]
    assert [found and found[1] for found in apart] == ["0.00214", "0.00266"]
    assert "15 values from 0.26181 to 0.27274 have a standard deviation of 0.00199 at least" in notes[0]
    assert table.rows[1].cells[1].value == 0.2679503039


def test_an_unknown_container_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"container 23\.01; there are 19\.03, 19\.08, 20\.06, 21\.05, 22\.10"):
        published_sheets(FIGURES, "23.01")


def test_a_broken_line_is_named(tmp_path: Path):
    text = (ROOT / "ssdbench/resources/published/nvidia_ssd300_published.csv").read_text().splitlines()
    path = tmp_path / "broken.csv"
    path.write_text("\n".join([*text[:4], text[4].replace("1,32", "one,32", 1)]))
    with pytest.raises(StoreError, match=r"broken\.csv line 5: not a published figure"):
        read_published(path)
