"""A report explains its own words, and they are those of docs/glossary.md."""

import re
from pathlib import Path

from ssdbench.report.glossary import GLOSSARY, STATUS_MEANINGS, TERMS, unclear_meanings
from ssdbench.schema.verdict import Status

ROOT = Path(__file__).parents[2]


def test_every_status_has_a_meaning():
    assert set(STATUS_MEANINGS) == set(Status)


def test_a_status_that_explains_itself_needs_no_line():
    assert unclear_meanings([Status.UNCHANGED, Status.REGRESSED]) == []
    assert [status for status, _ in unclear_meanings([Status.STALE, Status.FAILED, Status.STALE])] == [
        Status.FAILED,
        Status.STALE,
    ]


def test_the_words_of_a_report_are_in_the_glossary():
    headings = set(re.findall(r"^### (.+)$", (ROOT / GLOSSARY).read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TERMS) - {"Interval"} <= headings
