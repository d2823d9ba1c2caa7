"""Trainings side by side, each on GPUs of its own: they are judged by their curves, and speed is not measured so."""

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ssdbench.errors import UsageError
from ssdbench.harness.gpu_group import GpuGroup, Outcome
from ssdbench.harness.launch_loop import Event, LaunchLoop, OpenLaunch
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Arm

Place = tuple[Arm, int]
"""One training: its arm, and the number of its seed."""


def gpu_groups(case: Case, gpus: Sequence[GpuState], most: int | None) -> list[tuple[GpuState, ...]]:
    """The GPUs of each training that runs at a time: neighbours, as many groups as there are or `most`.

    On a CPU a group has no GPU, and there is one unless `most` says otherwise.

    Raises:
        UsageError: there are GPUs for fewer than `most`.
    """
    if case.device != "cuda":
        return [()] * (most or 1)
    size = case.ranks_per_node
    there = [tuple(gpus[first : first + size]) for first in range(0, len(gpus) - size + 1, size)]
    if most is not None and most > len(there):
        each = f"{size} GPU{'s' if size > 1 else ''} each"
        raise UsageError(f"--parallel {most}: this machine has {len(gpus)} GPUs, for {len(there)} trainings of {each}")
    return there[:most]


def deal(places_of_arms: Sequence[Sequence[Place]], groups: int, start: str) -> list[list[Place]]:
    """Which trainings each group of GPUs has, in order; `start` is what the first arm is drawn by.

    In each round a group trains one. The arms alternate from group to group and, in each group, in the order A B B A,
    so that neither a GPU nor a time is that of one arm.
    """
    first = random.Random(start).randrange(2)
    waiting, dealt = [list(places) for places in places_of_arms], [list[Place]() for _ in range(groups)]
    number = 0
    while any(waiting):
        turn, group = divmod(number, groups)
        arm = (first + group + (turn + 1) // 2) % len(waiting)
        dealt[group].append((waiting[arm] or next(filter(None, waiting))).pop(0))
        number += 1
    return dealt


def run_side_by_side(
    loop: LaunchLoop,
    case: Case,
    dealt: Sequence[Sequence[Place]],
    groups: Sequence[GpuGroup],
    stop: threading.Event,
    goes_on: Callable[[], bool],
    deadline_seconds: float | None,
) -> None:
    """Run what is left of the dealt trainings, one at a time in each group, and record each when it ends.

    A group that has run all of its own takes over from one that has two or more waiting. When `goes_on`, which is
    asked after each record, says no, the others are stopped, without a record; so they are on an interruption. None
    starts after `deadline_seconds` (of the monotonic clock).

    Args:
        loop: records; all of its work is done in this thread.
        case: what is trained.
        dealt: the trainings of each group.
        groups: where they run; their launchers have to end a launch when `stop` is set.
        stop: set when all have to end.
        goes_on: whether the records so far allow to go on.
        deadline_seconds: of the monotonic clock; None: there is none.
    """
    waiting = [[p for p in places if not loop.is_measured(case.key, p[0], "measure", p[1])] for places in dealt]
    arms, running = len({arm for places in dealt for arm, _ in places}), _Running(groups, stop)

    def begin(group: int) -> None:
        if deadline_seconds is not None and time.monotonic() > deadline_seconds:
            return
        loop.observer.remaining_changed([case.key] * (sum(map(len, waiting)) + running.number))
        place = _next(waiting, group)
        if place is not None:
            arm, launch = place
            running.start(group, loop.begin(case, arm, "measure", launch, _name(case, place, arms)))

    try:
        for group in range(len(groups)):
            begin(group)
        while running.number:
            ended = running.ended(loop.observer.event)
            assert ended.outcome is not None
            loop.finish(ended.opened, ended.outcome, ended.seconds, groups[ended.group], len(groups))
            if not goes_on():
                return
            begin(ended.group)
    finally:
        running.stop()


class _Running:
    """The trainings that run, each followed by a thread; what they report is taken in the caller's."""

    def __init__(self, groups: Sequence[GpuGroup], stop: threading.Event) -> None:
        self._groups = groups
        self._stop = stop
        self._threads: dict[int, threading.Thread] = {}
        self._events: queue.SimpleQueue[tuple[str, Event] | _Ended] = queue.SimpleQueue()

    @property
    def number(self) -> int:
        """How many run."""
        return len(self._threads)

    def start(self, group: int, opened: OpenLaunch) -> None:
        """Start a training on a group that has none."""
        self._threads[group] = threading.Thread(target=self._follow, args=(group, opened))
        self._threads[group].start()

    def ended(self, on_event: Callable[[str, Event], None]) -> "_Ended":
        """Pass the events of all on until one of them ends; an error is raised as that training met it."""
        while True:
            found = self._events.get()
            if not isinstance(found, _Ended):
                on_event(*found)
                continue
            self._threads.pop(found.group).join()
            if found.error is not None:
                raise found.error
            return found

    def stop(self) -> None:
        """Stop those that run, and return when they have ended."""
        self._stop.set()
        for thread in self._threads.values():
            thread.join()

    def _follow(self, group: int, opened: OpenLaunch) -> None:
        def on_event(event: Event) -> None:
            self._events.put((opened.name, event))

        try:
            outcome, seconds = self._groups[group].launch(opened.arm, opened.request, on_event)
            self._events.put(_Ended(group=group, opened=opened, outcome=outcome, seconds=seconds))
        except BaseException as error:  # raised again where the run is ended
            self._events.put(_Ended(group=group, opened=opened, error=error))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A training that has ended: what came of it, or the error by which it could not be followed."""

    group: int
    opened: OpenLaunch
    outcome: Outcome | None = None
    seconds: float = 0.0
    error: BaseException | None = None


def _next(waiting: list[list[Place]], group: int) -> Place | None:
    if waiting[group]:
        return waiting[group].pop(0)
    longest = max(waiting, key=len)
    return longest.pop() if len(longest) > 1 else None


def _name(case: Case, place: Place, arms: int) -> str:
    """How a training is shown."""
    arm, launch = place
    return f"pair {launch + 1}, {arm}" if arms > 1 else f"launch {launch + 1} of {case.protocol.launches}"
