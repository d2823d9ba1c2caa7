"""The words of an explanation."""

from collections.abc import Sequence

from ssdbench.schema.explanation import RowChange, RowState
from ssdbench.schema.profile import PartKind

WAITING = {
    "input": "waiting for input",
    "communication": "communication that nothing hides",
    "unexplained": "unexplained time",
}
_MOST_NAMED = 3


def row_words(kind: PartKind, operator: str, calls: tuple[float, float], state: RowState, *, copies: bool) -> str:
    """A row and what became of it: "aten::sort called 2 times a step instead of 1"."""
    if kind == "host":
        return f"the host, between operators, is {state}"
    if kind != "kernels":
        return f"{WAITING[kind]} is {'longer' if state == 'slower' else 'shorter'}"
    name = f"{operator} (copies and layout conversions)" if copies else operator
    before, after = calls
    if state == "appeared":
        return f"{name} appeared, {_times(after)}"
    if state == "vanished":
        return f"{name} vanished, it was called {_times(before)}"
    if state in ("called more often", "called less often"):
        return f"{name} called {_times(after)} instead of {before:g}"
    return f"{name} is {state}"


def place_words(place: str, rows: Sequence[RowChange]) -> str:
    """A phase with what changed in it; `rows` are in the order of their size."""
    if place in WAITING:
        return rows[0].what
    named = [row.what for row in rows[:_MOST_NAMED]]
    more = len(rows) - len(named)
    return f"{place}: {', '.join(named)}{f' and {more} more' if more else ''}"


def rank_words(kind: PartKind, phase: str, rank: int) -> str:
    """A rank that is slower than the others: in operators or kernels, between them, or in waiting for input."""
    if kind == "input":
        return f"rank {rank} waits longer for input than the median rank"
    where = "the host, between operators" if kind == "host" else "operators"
    return f"rank {rank} works longer than the median rank in {phase} ({where})"


def layout_words(baseline: str, candidate: str) -> str:
    """How the layout of what convolutions read changed."""
    return f"memory layout: convolutions read {candidate} tensors, in the baseline {baseline} ones"


def _times(calls: float) -> str:
    return f"{calls:g} {'time' if calls == 1 else 'times'} a step"
