"""An explanation as plain text, the same in every format; whoever shows it escapes it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ssdbench.schema.explanation import Cause, Change, Explanation, Link, LinkedDifference, PartChange, RowChange
from ssdbench.schema.profile import PartKind
from ssdbench.schema.text import milliseconds, percent, pluralize
from ssdbench.schema.verdict import Difference

PART_COLUMNS = ("a step, which its parts add up to", "baseline", "candidate", "difference")
RANK_COLUMNS = ("slowest rank over the median rank", "baseline", "candidate", "difference")
_PARTS = {"input": "waiting for input", "communication": "communication, exposed", "unexplained": "unexplained"}
MEANING = "In brackets: 95 % intervals, over launches."
LINKED = "What else differs and may be behind it, most plausible first; none of it is shown to be the reason:"
UNLINKED = "Also differs, in no order"
_MOST_ROWS = 6
_MOST_LINKED = 8
_MOST_UNLINKED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseText:
    """A cause: what it is, how long it makes a step, and what it was found by."""

    what: str
    seconds: str
    details: tuple[str, ...]


def answer(found: Explanation) -> str:
    """The first sentence."""
    if found.refusal:
        return f"Nothing is blamed: {found.refusal}."
    if not found.causes:
        typical, most = (milliseconds(seconds, sign="") for seconds in found.detectable_seconds)
        return (
            f"Nothing found in {pluralize(found.rows_tested, 'row')}: a row that changed by {typical} a step would "
            f"typically have been seen, in the noisiest by {most}."
        )
    first = found.causes[0]
    return f"A step is {_longer(found.plain.seconds)}. First of what differs: {first.what}, {_seconds(first.change)}."


def facts(found: Explanation) -> tuple[str, ...]:
    """What was compared, and how far to believe it: sentences."""
    baseline, candidate = found.launches
    before = percent(found.profiled.baseline / found.plain.baseline - 1, sign="+")
    after = percent(found.profiled.candidate / found.plain.candidate - 1, sign="+")
    compared = f"baseline {found.builds[0]}: {pluralize(baseline, 'profiled launch', 'profiled launches')}; "
    compared += f"candidate {found.builds[1]}: {candidate}, {pluralize(found.steps, 'step')} each"
    told = [compared]
    if found.measured_seconds is not None:
        told.append(f"the run: {milliseconds(found.measured_seconds)} a step")
    told.append(
        f"these launches without the profiler: {_seconds(found.plain)}; with it: {_seconds(found.profiled)}, "
        f"the profiler itself changes a step by {before} in the baseline and {after} in the candidate"
    )
    if found.waited.baseline or found.waited.candidate:
        told.append(
            f"left out: {milliseconds(found.waited.baseline, sign='')} of a step in the baseline and "
            f"{milliseconds(found.waited.candidate, sign='')} in the candidate, in which it waited for a CPU that "
            "others used"
        )
    return tuple(told)


def causes(found: Explanation) -> tuple[CauseText, ...]:
    """The causes, the largest first."""
    return tuple(_cause(cause) for cause in found.causes)


def linked(found: Explanation) -> tuple[str, ...]:
    """What else differs and may be behind a cause, the most plausible first, one sentence each."""
    return tuple(f"{_differs(one)}: {'; '.join(map(_link, one.links))}" for one in found.linked[:_MOST_LINKED])


def unlinked(found: Explanation) -> str:
    """What else differs, that no rule links to a cause, in one sentence; empty where there is nothing."""
    rest = [*map(_differs, found.linked[_MOST_LINKED:]), *map(_differs, found.unlinked)]
    more = len(rest) - _MOST_UNLINKED
    return "; ".join([*rest[:_MOST_UNLINKED], *([f"and {more} more"] if more > 0 else [])])


def _differs(one: LinkedDifference | Difference) -> str:
    return f"{one.name} {one.baseline} → {one.candidate}"


def _link(link: Link) -> str:
    if not link.causes:
        return link.why
    return f"{'cause' if len(link.causes) == 1 else 'causes'} {', '.join(map(str, link.causes))}, as {link.why}"


def parts(found: Explanation) -> Iterator[tuple[str, str, str, str]]:
    """The parts of a step, which add up to its last row, in milliseconds; what is unexplained is always there."""
    shown = sorted(found.parts, key=_order)
    if not any(part.kind == "unexplained" for part in shown):
        shown.append(PartChange(kind="unexplained", phase="", change=Change(baseline=0, candidate=0, low=0, high=0)))
    for part in shown:
        yield _row(_part_name(part.kind, part.phase, on_gpu=found.device == "cuda"), part.change)
    yield _row("the step, profiled", found.profiled)


def ranks(found: Explanation) -> Iterator[tuple[str, str, str, str]]:
    """What the slowest rank works longer than the median rank, by phase, in milliseconds; nothing for one rank."""
    for excess in found.ranks:
        name = _part_name(excess.kind, excess.phase, on_gpu=found.device == "cuda")
        yield _row(f"{name} (rank {excess.rank})", excess.change)


def _cause(cause: Cause) -> CauseText:
    rows = cause.rows if len(cause.rows) > 1 or any(row.shapes or row.kernels[1] for row in cause.rows) else ()
    details = [_detail(row, is_alone=len(cause.rows) == 1) for row in rows[:_MOST_ROWS]]
    more = len(rows) - len(details)
    return CauseText(
        what=cause.what,
        seconds=_seconds(cause.change),
        details=(*details, *([f"and {more} more"] if more else [])),
    )


def _detail(row: RowChange, *, is_alone: bool) -> str:
    """What a cause was found by; of the only row, what its cause does not say."""
    told = [] if is_alone else [f"{f'{row.phase}: ' if row.phase else ''}{row.what}, {_seconds(row.change)}"]
    if row.shapes:
        told.append(f"most of it with inputs {row.shapes}")
    before, after = row.kernels
    if before and after:
        told.append(f"kernels {' + '.join(after)} in place of {' + '.join(before)}")
    elif after:
        told.append(f"kernels {' + '.join(after)}")
    return "; ".join(told)


def _order(part: PartChange) -> tuple[int, str, int]:
    """Input first, then the phases in their order, then the rest."""
    phases = ("fetch", "graph", "forward", "loss", "decoding", "backward", "optimizer")
    if part.kind == "input":
        return -1, "", 0
    if part.kind in ("communication", "unexplained"):
        return 100 + (part.kind == "unexplained"), "", 0
    return phases.index(part.phase) if part.phase in phases else len(phases), part.phase, part.kind == "host"


def _part_name(kind: PartKind, phase: str, *, on_gpu: bool) -> str:
    if kind in _PARTS:
        return _PARTS[kind]
    phase = phase or "between phases"
    if kind == "host":
        return f"{phase}: {'the GPU waits for the host' if on_gpu else 'the host, between operators'}"
    return f"{phase}: {'kernels' if on_gpu else 'operators'}"


def _row(name: str, change: Change) -> tuple[str, str, str, str]:
    difference = _seconds(change).replace(" ms", "")  # the unit is in the head of the table
    return name, f"{1e3 * change.baseline:.3f}", f"{1e3 * change.candidate:.3f}", difference


def _longer(seconds: float) -> str:
    return f"{milliseconds(abs(seconds), sign='')} {'longer' if seconds > 0 else 'shorter'}"


def _seconds(change: Change) -> str:
    if not math.isfinite(change.low):
        return f"{milliseconds(change.seconds)} (one launch: no interval)"
    low, high = (milliseconds(seconds).removesuffix(" ms") for seconds in (change.low, change.high))
    return f"{milliseconds(change.seconds)} ({low} to {high})"
