"""A workload that sleeps for known times, to check the measurement itself: its results are known beforehand."""

from __future__ import annotations

import time
from typing import ClassVar

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError
from ssdbench.runtime.context import RankContext
from ssdbench.schema.record import EpochCount
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.workloads.workload import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceOptions:
    """Seconds per step and per fetched batch; steps of rank `slow_rank` take `slow_seconds` more."""

    step_seconds: float = 0.1
    fetch_seconds: float = 0.0
    slow_rank: int = -1
    slow_seconds: float = 0.0


class Pace:
    """For each batch sleeps `fetch_seconds`, then `step_seconds`."""

    version: ClassVar[int] = 1

    def __init__(self, context: RankContext) -> None:
        try:
            options = PaceOptions(**context.case.options)  # type: ignore[arg-type]
        except TypeError as error:
            known = ", ".join(PaceOptions.__dataclass_fields__)
            raise UsageError(f"workload pace: {error}; its options are {known}") from None
        self._batch_size = context.case.batch_size_per_gpu
        self._fetch_seconds = options.fetch_seconds
        slowed = context.group.rank == options.slow_rank
        self._step_seconds = options.step_seconds + (options.slow_seconds if slowed else 0.0)

    def fetch(self) -> int:
        time.sleep(self._fetch_seconds)
        return self._batch_size

    def step(self, batch: int, on_phase: OnPhase = ignore_phase) -> Step:
        time.sleep(self._step_seconds)
        on_phase("sleep")
        return Step(images=batch)

    def epochs(self) -> tuple[EpochCount, ...]:
        return ()

    def close(self) -> None:
        pass


def open_workload(context: RankContext) -> Pace:
    """Open this rank's workload of known duration."""
    return Pace(context)
