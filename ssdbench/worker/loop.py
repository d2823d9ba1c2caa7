"""The timed loop: it defines step time and throughput, the same for all workloads.

    warm-up steps | synchronise, barrier | timed region: fetch, step, mark, fetch, step, mark, ... synchronise |

Batches are fetched inside the timed region. The device is synchronised once, at its end, and losses are read only
then. A step's time runs from mark to mark on the device's own time line, so it includes waiting for the batch.

If a case is synchronised, each step is waited for before the next batch is fetched. A step's time is then measured on
the host's clock, from the request for the batch to the end of the step's work: a latency.

If the protocol is in seconds, the warm-up steps are followed by parts of about a quarter of `warmup_seconds`. After
each part the ranks agree on how long the slowest of them took. The last part determines the number of timed steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ssdbench.compatibility import dataclass
from ssdbench.errors import NotFiniteError
from ssdbench.runtime.device import Clock, Device
from ssdbench.schema.case import MOST_STEPS, Protocol, StepCounts, steps_filling
from ssdbench.worker.events import Events
from ssdbench.workloads.workload import Step, Workload

_WARMUP_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Raw samples of one rank; step and fetch times include the warm-up, wall time and images do not."""

    warmup_steps: int
    step_seconds: list[float]
    fetch_seconds: list[float]
    wall_seconds: float
    images: int
    losses: list[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """How the loop works with the other ranks; all ranks call the same methods in the same order.

    `start_together` returns when all ranks have called it. `slowest` returns the largest value of all ranks.
    """

    start_together: Callable[[], None]
    slowest: Callable[[float], float]


def measure(
    workload: Workload[Any],
    protocol: Protocol,
    device: Device,
    ranks: Ranks,
    now: Callable[[], float],
    events: Events,
    *,
    counts: StepCounts | None = None,
    synchronised: bool = False,
) -> Samples:
    """Run the warm-up and the timed region; `now` is the host's monotonic clock in seconds.

    `counts` overrides the protocol's numbers of steps.

    Raises:
        NotFiniteError: the loss of a step is infinite or NaN.
    """
    steps = _Steps(workload, device, now, events, synchronised=synchronised)
    events.phase("warm-up")
    counts = _warm_up(steps, protocol, ranks, counts)
    device.reset_peak_memory()
    events.report("steps", **{"warmup_steps": counts.warmup_steps, "timed_steps": counts.timed_steps})
    ranks.start_together()
    events.phase("measure")
    begin = now()
    steps.run(counts.timed_steps)
    device.synchronize()
    wall_seconds = now() - begin
    return Samples(
        warmup_steps=counts.warmup_steps,
        step_seconds=steps.seconds(),
        fetch_seconds=steps.fetch_seconds,
        wall_seconds=wall_seconds,
        images=sum(step.images for step in steps.done[counts.warmup_steps :]),
        losses=_read_losses(steps.done),
    )


class _Steps:
    """Runs steps and keeps the samples of each."""

    def __init__(
        self, workload: Workload[Any], device: Device, now: Callable[[], float], events: Events, *, synchronised: bool
    ) -> None:
        self.done: list[Step] = []
        self.fetch_seconds: list[float] = []
        self._workload = workload
        self._device = device
        self._now = now
        self._events = events
        self._synchronised = synchronised
        self._clocks: list[Clock] = []
        self._latencies: list[float] = []

    def run(self, count: int) -> None:
        """Fetch and step `count` times; does not wait for the last step unless every step is synchronised."""
        clock, now = self._device.clock(), self._now
        self._clocks.append(clock)
        clock.mark()
        for _ in range(count):
            asked = now()
            batch = self._workload.fetch()
            self.fetch_seconds.append(now() - asked)
            self.done.append(self._workload.step(batch))
            clock.mark()
            if self._synchronised:
                clock.wait()
                self._latencies.append(now() - asked)
            self._events.step(len(self.done) - 1, now())

    def run_to_end(self, count: int) -> float:
        """Like `run`, then wait until the device is idle; returns the total seconds."""
        begin = self._now()
        self.run(count)
        self._device.synchronize()
        return self._now() - begin

    def seconds(self) -> list[float]:
        """Seconds of each step."""
        return self._latencies if self._synchronised else [value for clock in self._clocks for value in clock.seconds()]


def _warm_up(steps: _Steps, protocol: Protocol, ranks: Ranks, given: StepCounts | None) -> StepCounts:
    """Run the warm-up and wait for it; returns the numbers of warm-up and timed steps, equal on all ranks."""
    steps.run_to_end(given.warmup_steps if given else protocol.warmup_steps)
    if given or not protocol.in_seconds:
        return given or StepCounts(warmup_steps=protocol.warmup_steps, timed_steps=protocol.steps)
    # One-time costs (compilation, the search for algorithms, rising clocks) fall into the steps before: they are not in
    # these seconds and do not affect the estimate of the number of timed steps.
    spent, part = 0.0, max(1, protocol.warmup_steps // _WARMUP_PARTS)
    while True:
        seconds = ranks.slowest(steps.run_to_end(part))
        spent += seconds
        taken = len(steps.done)
        if spent >= protocol.warmup_seconds or taken >= MOST_STEPS:
            return StepCounts(warmup_steps=taken, timed_steps=protocol.timed_steps(seconds / part))
        wanted = steps_filling(protocol.warmup_seconds / _WARMUP_PARTS, seconds / part)
        part = max(1, min(wanted, MOST_STEPS - taken))


def _read_losses(steps: list[Step]) -> list[float] | None:
    losses = [step.loss for step in steps if step.loss is not None]
    if not losses:
        return None
    values: list[float] = torch.stack(losses).float().tolist()
    for step, value in enumerate(values):
        if not math.isfinite(value):
            raise NotFiniteError(f"the loss of step {step} is {value}")
    return values
