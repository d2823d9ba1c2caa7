"""The table of docs/reliability.md: what was injected, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

BEGIN, END = "<!-- matrix -->", "<!-- end of matrix -->"
OUTCOMES = ("survived", "fell short", "not tried")


@dataclass(frozen=True)
class Injected:
    """One fault that a test injected."""

    area: str
    identifiers: tuple[str, ...]
    what: str
    outcome: str
    """One of `OUTCOMES`; `not tried` where the machine cannot inject it."""


def sentence(injected: list[Injected]) -> str:
    """The counts of all areas in one sentence."""
    counts = Counter(fault.outcome for fault in injected)
    tried = len(injected) - counts["not tried"]
    skipped = f"; {counts['not tried']} could not be injected on this machine" if counts["not tried"] else ""
    return f"{tried} faults injected, {counts['survived']} survived{skipped}."


def filled(page: str, injected: list[Injected]) -> str:
    """The page with the counts and the lists of all faults between its two comments.

    Raises:
        ValueError: the page lacks one of the comments.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the comments {BEGIN} and {END}")
    return f"{before}{begin}\n\n{sentence(injected)}\n\n{_counts(injected)}\n{_lists(injected)}\n{end}{after}"


def _areas(injected: list[Injected]) -> list[tuple[str, list[Injected]]]:
    ordered = sorted(injected, key=lambda fault: (fault.area, fault.identifiers, fault.what))
    return [(area, list(faults)) for area, faults in groupby(ordered, key=lambda fault: fault.area)]


def _counts(injected: list[Injected]) -> str:
    lines = ["| Area | Injected | Survived |", "|---|--:|--:|"]
    for area, faults in _areas(injected):
        counts = Counter(fault.outcome for fault in faults)
        lines.append(f"| {area} | {len(faults) - counts['not tried']} | {counts['survived']} |")
    return "\n".join(lines) + "\n"


def _lists(injected: list[Injected]) -> str:
    parts = []
    for area, faults in _areas(injected):
        lines = [f"| {', '.join(fault.identifiers)} | {_cell(fault.what)} | {fault.outcome} |" for fault in faults]
        parts.append(f"### {area.capitalize()}\n\n| Fault | Injected | Outcome |\n|---|---|---|\n" + "\n".join(lines))
    return "\n" + "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
