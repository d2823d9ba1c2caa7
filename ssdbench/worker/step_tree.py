"""Reduces a trace to a step: its parts, which add up to it, and its operators.

A step of a rank is a window of time: on a CPU from the beginning of one step to that of the next; on a GPU from the end
of one step's last kernel to that of the next step's, as the host runs ahead. Every moment of a window belongs to one
part (`schema.profile.PartKind`). Means are over the middle half of the windows by their length, so that an odd step
counts for nothing; the same windows count for parts and operators, which is why they add up.

Where the kernel says how long the host's thread waited for a CPU that something else had, this time is left out on a
CPU: of all between two marks in proportion, except for the time in which the thread slept, which is taken to lie
between operators.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import Iterable, Iterator, NamedTuple, Sequence, Tuple

from ssdbench.schema.profile import FETCH, OperatorTime, PartKind, RankProfile, StepPart
from ssdbench.worker.chrome_trace import Kernel, Marks, Trace
from ssdbench.worker.traced_operators import (
    Counted,
    counted_as,
    inputs_of,
    is_outermost_operator,
    is_within_communication,
    launcher_of,
)

LONGEST_KERNELS = 3
_MOST_NAME = 100

Key = Tuple[str, str, bool, str, str]  # phase, operator, copies, shapes, layout
Interval = Tuple[float, float, str]  # begin, end, phase


class _Sums:
    """Of one operator: calls and seconds by step, and seconds by kernel and step."""

    def __init__(self, steps: int) -> None:
        self.calls = [0] * steps
        self.seconds = [0.0] * steps
        self.kernels: dict[str, list[float]] = defaultdict(lambda: [0.0] * steps)


class _Cell(NamedTuple):
    """A stretch of a step's window; of operators, and of the time between them, such a share counts."""

    begin: float
    end: float
    step: int
    of_operators: float = 1.0
    of_gaps: float = 1.0

    def seconds(self, begin: float, end: float, kind: PartKind) -> float:
        """What counts of a segment within this stretch."""
        share = self.of_operators if kind == "kernels" else self.of_gaps
        return max(0.0, min(end, self.end) - max(begin, self.begin)) * share


def reduce_trace(trace: Trace, rank: int) -> RankProfile:
    """The step of this rank.

    Raises:
        ValueError: the trace has no whole step.
    """
    marks = trace.marks
    count = len(marks.begins) - 1  # the last mark ends the last step
    if count < 1:
        raise ValueError("the trace of the profiled steps has no marks")
    kernels = [kernel for kernel in trace.kernels if marks.begins[0] <= _launch_time(kernel) < marks.begins[-1]]
    segments = _segments(trace, kernels)
    cells = _device_cells(kernels, marks) if kernels else _host_cells(marks, segments)
    by_step = _parts(segments, cells, marks, on_gpu=bool(kernels))
    lengths = [sum(by_step[step].values()) for step in range(count)]
    chosen = middle_half(lengths)
    sums = _operators_on_gpu(kernels, trace, count) if kernels else _operators_on_host(trace, cells, count)
    step_seconds = sum(lengths[step] for step in chosen) / len(chosen)
    wall_seconds = sum(cell.end - cell.begin for cell in cells if cell.step in chosen) / len(chosen)
    return RankProfile(
        rank=rank,
        step_seconds=step_seconds,
        waited_seconds=max(0.0, wall_seconds - step_seconds),
        parts=_means(by_step, chosen),
        operators=tuple(_operator_time(key, found, chosen) for key, found in sorted(sums.items())),
    )


def middle_half(lengths: Sequence[float]) -> list[int]:
    """The indices of the middle half of some lengths: a quarter, rounded down, is left out at either end."""
    cut = len(lengths) // 4
    ordered = sorted(range(len(lengths)), key=lengths.__getitem__)
    return sorted(ordered[cut : len(lengths) - cut])


def _launch_time(kernel: Kernel) -> float:
    return kernel.launch.begin if kernel.launch is not None else kernel.span.begin


def _host_cells(marks: Marks, segments: Sequence[tuple[float, float, PartKind, str]]) -> list[_Cell]:
    """Stretches from mark to mark."""
    cells, begins = [], [segment[0] for segment in segments]
    for (begin, _), (end, _), waited, ran in zip(marks.all, marks.all[1:], marks.waits, marks.runs):
        step, _ = marks.phase_at(begin)
        if 0 <= step < len(marks.begins) - 1:
            whole = _Cell(begin, end, step)
            within = segments[max(0, bisect_right(begins, begin) - 1) : bisect_right(begins, end)]
            operators = sum(whole.seconds(a, b, kind) for a, b, kind, _ in within if kind == "kernels")
            of_operators, of_gaps = _shares(operators, end - begin - operators, waited, ran)
            cells.append(whole._replace(of_operators=of_operators, of_gaps=of_gaps))
    return cells


def _shares(operators: float, gaps: float, waited: float, ran: float) -> tuple[float, float]:
    """What counts of operators and of the time between them: all of them together, less what was waited."""
    runnable = ran + waited
    running = ran / runnable if runnable > 0 else 1.0
    slept = min(max(0.0, operators + gaps - runnable), operators + gaps)
    in_gaps = min(slept, gaps)
    of_operators, of_gaps = (
        (asleep + (seconds - asleep) * running) / seconds if seconds > 0 else 1.0
        for asleep, seconds in ((slept - in_gaps, operators), (in_gaps, gaps))
    )
    return of_operators, of_gaps


def _device_cells(kernels: Sequence[Kernel], marks: Marks) -> list[_Cell]:
    """From when the device had done one step's work to the next; the first begins with the first step."""
    ends: dict[int, float] = {}
    for kernel in kernels:
        step, _ = marks.phase_at(_launch_time(kernel))
        ends[step] = max(ends.get(step, 0.0), kernel.span.end)
    cells, begin = [], marks.begins[0]
    for step in range(len(marks.begins) - 1):
        end = max(begin, ends.get(step, 0.0))
        cells.append(_Cell(begin, end, step))
        begin = end
    return cells


def _segments(trace: Trace, kernels: Sequence[Kernel]) -> list[tuple[float, float, PartKind, str]]:
    """Stretches in which something runs, without overlap, in order; of two that overlap the earlier one counts."""
    if kernels:
        busy = [
            (kernel.span.begin, kernel.span.end, trace.marks.phase_at(_launch_time(kernel))[1])
            for kernel in kernels
            if not kernel.span.communicates
        ]
        talk = [(kernel.span.begin, kernel.span.end, "") for kernel in kernels if kernel.span.communicates]
    else:
        busy = [
            (span.begin, span.end, trace.marks.phase_at(span.begin)[1])
            for span in trace.host
            if is_outermost_operator(span) and not is_within_communication(span)
        ]
        talk = [(span.begin, span.end, "") for span in trace.host if span.communicates]
    running: list[tuple[float, float, PartKind, str]] = [(a, b, "kernels", phase) for a, b, phase in _disjoint(busy)]
    exposed = _without(_disjoint(talk), [(a, b) for a, b, _, _ in running])
    return sorted([*running, *((a, b, "communication", "") for a, b in exposed)])


def _disjoint(intervals: Iterable[Interval]) -> list[Interval]:
    found: list[Interval] = []
    reached = float("-inf")
    for begin, end, phase in sorted(intervals):
        if end > reached:
            found.append((max(begin, reached), end, phase))
            reached = end
    return found


def _without(intervals: Iterable[Interval], taken: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What is left of disjoint intervals outside of others, both in order."""
    begins = [begin for begin, _ in taken]
    for begin, end, _ in intervals:
        at = begin
        for other_begin, other_end in taken[max(0, bisect_right(begins, begin) - 1) :]:
            if other_begin >= end:
                break
            if other_begin > at:
                yield at, other_begin
            at = max(at, other_end)
        if at < end:
            yield at, end


def _parts(
    segments: Sequence[tuple[float, float, PartKind, str]], cells: Sequence[_Cell], marks: Marks, *, on_gpu: bool
) -> dict[int, dict[tuple[PartKind, str], float]]:
    """Seconds of each part, by step; cells follow each other without a gap."""
    sums: dict[int, dict[tuple[PartKind, str], float]] = defaultdict(lambda: defaultdict(float))
    begins = [cell.begin for cell in cells]
    for begin, end, kind, phase in _filled(segments, cells[0].begin, cells[-1].end, marks):
        # On a CPU, what reads images runs while the step waits for it.
        part: tuple[PartKind, str] = (
            ("input", "") if kind == "kernels" and phase == FETCH and not on_gpu else (kind, phase)
        )
        for cell in cells[max(0, bisect_right(begins, begin) - 1) :]:
            if cell.begin >= end:
                break
            sums[cell.step][part] += cell.seconds(begin, end, kind)
    return sums


def _means(by_step: dict[int, dict[tuple[PartKind, str], float]], chosen: Sequence[int]) -> tuple[StepPart, ...]:
    parts = dict.fromkeys(part for step in chosen for part in by_step[step])
    means = {part: sum(by_step[step].get(part, 0.0) for step in chosen) / len(chosen) for part in parts}
    return tuple(StepPart(kind=kind, phase=phase, seconds=seconds) for (kind, phase), seconds in means.items())


def _filled(
    segments: Sequence[tuple[float, float, PartKind, str]], begin: float, end: float, marks: Marks
) -> Iterator[tuple[float, float, PartKind, str]]:
    """The segments, and between them what the host does while nothing runs, cut where its phases end."""
    at = begin
    for start, stop, kind, phase in [*segments, (end, end, "unexplained", "")]:
        if start > at:
            yield from _idle(at, min(start, end), marks)
        if min(stop, end) > max(start, at):
            yield max(start, at), min(stop, end), kind, phase
        at = max(at, stop)
        if at >= end:
            return


def _idle(begin: float, end: float, marks: Marks) -> Iterator[tuple[float, float, PartKind, str]]:
    cuts = [begin, *(time for time, _ in marks.all if begin < time < end), end]
    for start, stop in zip(cuts, cuts[1:]):
        _, phase = marks.phase_at(start)
        if phase == FETCH:
            yield start, stop, "input", ""
        elif phase:
            yield start, stop, "host", phase
        else:
            yield start, stop, "unexplained", ""


def _operators_on_host(trace: Trace, cells: Sequence[_Cell], steps: int) -> dict[Key, _Sums]:
    found: dict[Key, _Sums] = defaultdict(lambda: _Sums(steps))
    begins = [cell.begin for cell in cells]
    for span in trace.host:
        here = counted_as(span)
        step, phase = trace.marks.phase_at(span.begin)
        if here is None or not 0 <= step < steps:
            continue
        own = (span.end - span.begin) * cells[bisect_right(begins, span.begin) - 1].of_operators
        if here.copies and span is not here.operator:  # copies within an operator have a row of their own
            _row(found, here._replace(copies=False), phase).seconds[step] -= own
        row = _row(found, here, phase)
        row.calls[step] += 1
        row.seconds[step] += own
    return dict(found)


def _operators_on_gpu(kernels: Sequence[Kernel], trace: Trace, steps: int) -> dict[Key, _Sums]:
    found: dict[Key, _Sums] = defaultdict(lambda: _Sums(steps))
    called: dict[Key, set[int]] = defaultdict(set)
    for kernel in kernels:
        if kernel.span.communicates:
            continue
        step, phase = trace.marks.phase_at(_launch_time(kernel))
        operator, copies = launcher_of(kernel)
        seconds = kernel.span.end - kernel.span.begin
        name = operator.name if operator is not None else kernel.span.name
        key = (phase, name[:_MOST_NAME], copies, *inputs_of(operator))
        row = found[key]
        row.seconds[step] += seconds
        row.kernels[kernel.span.name[:_MOST_NAME]][step] += seconds
        call = id(kernel.launch if operator is None or copies else operator)
        if call not in called[key]:
            called[key].add(call)
            row.calls[step] += 1
    return dict(found)


def _row(found: dict[Key, _Sums], here: Counted, phase: str) -> _Sums:
    key = (phase, here.operator.name[:_MOST_NAME], here.copies, *inputs_of(here.operator))
    return found[key]


def _operator_time(key: Key, found: _Sums, chosen: Sequence[int]) -> OperatorTime:
    def mean(values: Sequence[float]) -> float:
        return sum(values[step] for step in chosen) / len(chosen)

    phase, operator, copies, shapes, layout = key
    kernels = {name: mean(seconds) for name, seconds in found.kernels.items()}
    longest = sorted(kernels, key=kernels.__getitem__, reverse=True)[:LONGEST_KERNELS]
    return OperatorTime(
        phase=phase,
        operator=operator,
        copies=copies,
        shapes=shapes,
        layout=layout,
        calls=mean(found.calls),
        seconds=mean(found.seconds),
        kernels={name: kernels[name] for name in longest},
    )
