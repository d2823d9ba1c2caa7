"""The timed loop: one place, and one meaning of step time and throughput for all workloads.

    warm-up steps | synchronise, barrier | timed region: fetch, step, mark, fetch, step, mark, ... synchronise |

The batch is fetched inside the region, the device is synchronised once at its end, and losses are read only then.
A step's time runs from mark to mark on the device's own time line, so a device that waits for its batch shows it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ssdbench.errors import NotFiniteError
from ssdbench.runtime.device import Clock, Device
from ssdbench.schema.case import Protocol
from ssdbench.worker.events import Events
from ssdbench.workloads.workload import Step, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One rank's raw samples; step and fetch times include the warm-up, wall time and images do not."""

    step_seconds: list[float]
    fetch_seconds: list[float]
    wall_seconds: float
    images: int
    losses: list[float] | None


def measure(
    workload: Workload[Any],
    protocol: Protocol,
    device: Device,
    barrier: Callable[[], None],
    now: Callable[[], float],
    events: Events,
) -> Samples:
    """Run the warm-up and the timed region; `now` is the host's monotonic clock in seconds.

    Raises:
        NotFiniteError: a step's loss was infinite or not a number.
    """
    fetch_seconds: list[float] = []
    steps: list[Step] = []

    def run(count: int, clock: Clock) -> None:
        clock.mark()
        for _ in range(count):
            asked = now()
            batch = workload.fetch()
            fetch_seconds.append(now() - asked)
            steps.append(workload.step(batch))
            clock.mark()
            events.step(len(steps) - 1, now())

    events.phase("warm-up")
    warmup_clock = device.clock()
    run(protocol.warmup_steps, warmup_clock)
    device.synchronize()
    device.reset_peak_memory()
    barrier()
    events.phase("measure")
    timed_clock = device.clock()
    begin = now()
    run(protocol.steps, timed_clock)
    device.synchronize()
    wall_seconds = now() - begin
    return Samples(
        step_seconds=warmup_clock.seconds() + timed_clock.seconds(),
        fetch_seconds=fetch_seconds,
        wall_seconds=wall_seconds,
        images=sum(step.images for step in steps[protocol.warmup_steps :]),
        losses=_read_losses(steps),
    )


def _read_losses(steps: list[Step]) -> list[float] | None:
    losses = [step.loss for step in steps if step.loss is not None]
    if not losses:
        return None
    values: list[float] = torch.stack(losses).float().tolist()
    for step, value in enumerate(values):
        if not math.isfinite(value):
            raise NotFiniteError(f"the loss of step {step} is {value}")
    return values
