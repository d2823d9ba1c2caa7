"""Reads a trace of torch's profiler in Chrome's format: what ran on the host, what on the device, and where steps end.

The names of the fields are those that torch 1.13 to 2.11 write: an operator has the dimensions of its inputs, newer
ones their strides as well; a kernel has the number (`correlation`) of the driver's call that launched it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from typing import Any, Iterable, Mapping, Sequence

from ssdbench.compatibility import dataclass

MARK = "ssdbench#"
"""How the names of annotations begin that mark the end of a phase: MARK + its name. MARK alone begins a step."""

_OPERATORS = {"cpu_op", "operator"}
_ANNOTATIONS = {"user_annotation"}
_DEVICE = {"kernel", "gpu_memcpy", "gpu_memset", "memcpy", "memset"}
_DRIVER = {"cuda_runtime", "cuda_driver", "runtime", "driver"}
_COMMUNICATION = ("gloo:", "nccl:", "c10d::", "ncclDevKernel", "ncclKernel")


@dataclass(eq=False, slots=True, kw_only=True)
class Span:
    """Something that ran from `begin` to `end`, in seconds; `parent` is what it was called from on its thread.

    `is_operator` is False for calls of the driver, and for names that Python code gave to what it does.
    """

    name: str
    begin: float
    end: float
    thread: object
    is_operator: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parent: Span | None = None

    @property
    def communicates(self) -> bool:
        """Whether it exchanges data between ranks."""
        return self.name.startswith(_COMMUNICATION)


@dataclass(eq=False, slots=True, kw_only=True)
class Kernel:
    """What ran on a GPU; `launch` is the call that launched it, or the operator, None where the trace does not say."""

    span: Span
    launch: Span | None


class Marks:
    """The ends of phases on the host's time line: (time, name of the phase), and beginnings of steps, without name.

    `waited` and `ran` are how long the host's thread had waited for a CPU, and had had one, by each of them (seconds);
    both are empty where that is not known. `waits` and `runs` are the same from each mark to the next.
    """

    def __init__(
        self, marks: Iterable[tuple[float, str]], waited: Sequence[float] = (), ran: Sequence[float] = ()
    ) -> None:
        # Of the same moment (older torch rounds to microseconds) a phase ends before the next step begins.
        self.all = sorted(marks, key=lambda mark: (mark[0], not mark[1]))
        self._times = [time for time, _ in self.all]
        self.begins = [time for time, name in self.all if not name]
        self.waits = _steps_of(waited) or [0.0] * (len(self.all) - 1)
        self.runs = _steps_of(ran) or [after - before for before, after in zip(self._times, self._times[1:])]

    def phase_at(self, moment: float) -> tuple[int, str]:
        """The step of a moment (-1 before the first) and its phase, empty between phases."""
        after = bisect_right(self._times, moment)
        return bisect_right(self.begins, moment) - 1, self.all[after][1] if after < len(self.all) else ""


def _steps_of(sums: Sequence[float]) -> list[float]:
    return [after - before for before, after in zip(sums, sums[1:])]


@dataclass(eq=False, slots=True, kw_only=True)
class Trace:
    """A trace: the operators on the host, what ran on GPUs, and the marks."""

    host: list[Span]
    kernels: list[Kernel]
    marks: Marks


def read_trace(events: Iterable[Mapping[str, Any]], waited: Sequence[float] = (), ran: Sequence[float] = ()) -> Trace:
    """The trace of `traceEvents`; what is none of its kinds is passed over. `waited` and `ran` as in `Marks`."""
    host: list[Span] = []
    driver: list[Span] = []
    device: list[Span] = []
    marks: list[tuple[float, str]] = []
    for event in events:
        if event.get("ph") != "X":
            continue
        category = str(event.get("cat", "")).lower()
        span = _span(event, category)
        if span.name.startswith(MARK):
            if category != "gpu_user_annotation":
                marks.append((span.begin, span.name[len(MARK) :]))
        elif category in _OPERATORS or category in _ANNOTATIONS:
            host.append(span)
        elif category in _DRIVER:
            driver.append(span)
        elif category in _DEVICE:
            device.append(span)
    _nest([*host, *driver])
    return Trace(host=host, kernels=_launched(device, driver, host), marks=Marks(marks, waited, ran))


def _span(event: Mapping[str, Any], category: str) -> Span:
    begin = 1e-6 * float(event["ts"])
    return Span(
        name=str(event["name"]),
        begin=begin,
        end=begin + 1e-6 * float(event.get("dur", 0)),
        thread=event.get("tid"),
        is_operator=category in _OPERATORS,
        arguments=event.get("args") or {},
    )


def _nest(spans: list[Span]) -> None:
    """Give each span its parent: the innermost one of its thread that contains it."""
    open_spans: dict[object, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.begin, -span.end)):
        stack = open_spans.setdefault(span.thread, [])
        # Spans of one thread nest; what ends before this one does has ended, or rounding made it seem so.
        while stack and stack[-1].end < span.end:
            stack.pop()
        span.parent = stack[-1] if stack else None
        stack.append(span)


def _launched(device: list[Span], driver: list[Span], host: list[Span]) -> list[Kernel]:
    by_correlation = {span.arguments.get("correlation"): span for span in driver}
    by_operator = {span.arguments.get("External id"): span for span in host}
    found = []
    for span in device:
        number = span.arguments.get("correlation")
        launch = by_correlation.get(number) if number is not None else None
        if launch is None or launch.parent is None:  # an older torch, or a launch of another thread
            named = span.arguments.get("External id", span.arguments.get("external id"))
            launch = (by_operator.get(named) if named else None) or launch
        found.append(Kernel(span=span, launch=launch))
    return found
