"""Whatever a record, a suite or a folder is called, every verb prints it as text: for terminals, logs and tables."""

import contextlib
import csv
import io
import json
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.cli.printing import Terminal, print_document, print_json
from ssdbench.cli.streams import GuardedStream, print_text
from ssdbench.schema.plain_text import csv_cell, json_for_log, one_line, visible
from tests.cli.running import accept, keep, ssdbench
from tests.hostile import TEXT, commands_in, hostile_run, invisible_in

# What is active somewhere, whole and in pieces, between any other characters.
FRAGMENTS = [
    *("[/b]", "[red]", ":smile:", "\x1b[31m", "\x1b]0;x\x07", "\x9b1m", "\u202e", "\u2066", "\u200b", "\u2028", "\r"),
    "\n",
    *("::add-mask::ok", "::error title=x::y", "::", ":", " ", "##[error]x", "##vso[x]", "##", "#", "[", "group]"),
    *("=cmd", "+1", "-1", "-x", "@x", "\t", "'", '"', ",", ";", "\U000e0041", "\ufeff", "\u3000", "\x85", "\x1c"),
]  # fmt: skip
ANYTHING = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=12).map("".join)


def printed(action: object, *arguments: object) -> str:
    out = io.StringIO()
    with mock.patch.object(sys, "stdout", GuardedStream(out)):
        action(*arguments)  # type: ignore[operator]
    return out.getvalue()


@given(ANYTHING, ANYTHING)
@settings(max_examples=100)
def test_no_text_is_more_than_text_on_a_terminal_and_in_a_log(text: str, other: str) -> None:
    for shown in (
        printed(print_text, text),
        printed(print_document, text),
        printed(print_text, f"a: {text}\n{other}"),
        printed(lambda: Terminal().say(text, (other, "red"))),
        printed(lambda: Terminal().print(text)),
        printed(print_json, json.dumps({"text": text}, ensure_ascii=False)),
    ):
        assert not invisible_in(shown)
        assert not commands_in(shown)


@given(ANYTHING)
@settings(max_examples=100)
def test_json_for_a_log_reads_as_the_json_it_was(text: str) -> None:
    assert json.loads(json_for_log(json.dumps([text], ensure_ascii=False))) == [text]


@given(st.lists(ANYTHING, min_size=1, max_size=3))
@settings(max_examples=100)
def test_no_cell_of_csv_is_a_formula_and_nothing_that_is_seen_is_lost(texts: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(map(csv_cell, texts))
    (row,) = csv.reader(io.StringIO(file.getvalue()))
    for cell, text in zip(row, texts, strict=True):
        assert cell.removeprefix("'") == visible(text) or cell == visible(text)
        assert len(cell) < 2 or cell[0] not in "=@\t\n+-" or is_number(cell)


def is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return True
    return False


@pytest.mark.parametrize("text", ["-1.5", "-3", "1e-5", "+2", "-1.25e+10", "-", "+", ""])
def test_a_number_stays_a_number_in_csv_and_so_does_the_word_for_none(text: str) -> None:
    assert csv_cell(text) == text


def test_lines_that_come_in_pieces_are_no_commands_either() -> None:
    out = io.StringIO()
    stream = GuardedStream(out)
    for piece in ("a", "::b::c\n", "  ", "::add-mask::x\n", "\n", "::y::z"):
        stream.write(piece)
    assert out.getvalue() == "a::b::c\n  : :add-mask::x\n\n: :y::z"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "results"
    keep(folder, hostile_run("run-0", fails=False))
    assert accept(folder, reason=TEXT).code == 0
    keep(folder, hostile_run("run-1"))
    return folder


VERBS = [
    ("compare", "run-1"),
    ("compare", "run-1", "--metrics"),
    ("compare", "run-1", "--baseline", "run-0"),
    ("compare", "run-1", "--json"),
    ("compare", "run-1", "--output", "line=-"),
    ("compare", "run-1", "--output", "junit=-"),
    ("compare", "run-1", "--output", "github-summary=-"),
    ("compare", "run-1", "--output", "openmetrics=-"),
    ("compare", "run-1", "--output", "json=-"),
    ("runs",),
    ("history",),
    ("history", "train"),
    ("history", "train", "--csv"),
    ("table", "run-1"),
    ("table", "run-1", "--format", "csv"),
    ("table", "run-1", "--format", "markdown"),
    ("table", "run-1", "--format", "html"),
    ("table", "run-1", "--format", "latex"),
    ("report", "run-1", "--markdown", "-"),
    ("report", "run-1", "-o", "-"),
    ("export", "run-1", "--format", "csv"),
    ("export", "run-1", "--format", "mllog"),
    ("export", "run-1", "--format", "bmf"),
    ("export", "run-1", "--format", "pytest-benchmark"),
    ("export", "run-1", "--format", "openmetrics"),
    ("baseline", "list"),
    ("baseline", "show"),
    ("baseline", "verify"),
    ("baseline", "diff", "main", "run-1"),
    ("store", "check"),
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_shows_hostile_records_as_text(results: Path, words: tuple[str, ...]) -> None:
    found = ssdbench(*words, "--results", results)
    assert found.code in (0, 3, 4, 5, 6), found.err
    assert found.out
    for text in (found.out, found.err):
        assert not invisible_in(text)
        assert not commands_in(text)
    if "csv" in words or "--csv" in words:
        cells = [cell for row in csv.reader(io.StringIO(found.out)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t") and len(cell) > 1]


def test_pages_hold_no_invisible_characters_and_no_tag_of_a_record(results: Path) -> None:
    site, report = results.parent / "site", results.parent / "report.html"
    assert ssdbench("report", "run-1", "-o", report, "--results", results).code == 0
    assert ssdbench("history", "--html", site, "--results", results).code == 0
    pages = [report, *site.rglob("*.html")]
    assert len(pages) > 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not invisible_in(text)
        assert "<script>alert" not in text


def test_annotations_stay_the_commands_they_are_meant_to_be(results: Path) -> None:
    found = ssdbench("compare", "run-1", "--output", "github-annotations=-", "--results", results)
    lines = found.out.splitlines()
    assert lines
    assert all(line.split(" ")[0] in ("::notice", "::warning", "::error") for line in lines)
    assert not invisible_in(found.out)


def test_the_name_of_a_suite_and_its_options_are_text(tmp_path: Path) -> None:
    suite = tmp_path / "s.toml"
    suite.write_text('name = "a[/b]c"\ndevice = "cpu"\n[[matrix]]\nworkload = "pace"\noptions = { x = "[/b] [red]" }\n')
    found = ssdbench("plan", suite, "--results", tmp_path / "results")
    assert found.code in (0, 2)
    if found.code == 0:
        assert "a[/b]c" in found.out
        assert "[/b] [red]" in found.words


def test_a_name_that_is_no_option_is_named_as_text() -> None:
    found = ssdbench("plan", "smoke", "--\x1b]0;owned\x07\n::add-mask::ok", "\u202e")
    assert found.code == 2
    assert not invisible_in(found.err)
    assert not commands_in(found.err)


def test_one_line_is_one_line() -> None:
    assert one_line("a\r\nb\u2028c\td") == "a b c d"
