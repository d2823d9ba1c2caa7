"""Scripted work, devices and ranks, on a clock that moves only when a script moves it."""

from collections.abc import Callable
from typing import ClassVar

import torch

from ssdbench.runtime.device import Clock, Cpu
from ssdbench.schema.record import EpochCount
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.worker.loop import Ranks
from ssdbench.workloads.workload import Step

ALONE = Ranks(start_together=lambda: None, slowest=lambda seconds: seconds)


class Time:
    """A clock that moves only when a script moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Scripted:
    """Work on the host that takes exactly the scripted time."""

    version: ClassVar[int] = 1

    def __init__(self, time: Time, *, fetch: float, step: Callable[[int], float], loss: float | None = 1.0) -> None:
        self.time, self.fetch_seconds, self.step_seconds, self.loss, self.count = time, fetch, step, loss, 0

    def fetch(self) -> int:
        self.time.seconds += self.fetch_seconds
        return 2

    def step(self, batch: int, on_phase: OnPhase = ignore_phase) -> Step:
        self.work(self.step_seconds(self.count))
        self.count += 1
        on_phase("work")
        return Step(images=batch, loss=None if self.loss is None else torch.tensor(self.loss))

    def work(self, seconds: float) -> None:
        self.time.seconds += seconds

    def epochs(self) -> tuple[EpochCount, ...]:
        return ()

    def close(self) -> None:
        pass


class Accelerator(Cpu):
    """A device that works asynchronously: submitted work runs after the work submitted before.

    `calls` has the calls to it and to the ranks, in order.
    """

    def __init__(self, time: Time) -> None:
        super().__init__(torch.get_num_threads(), time)
        self.time, self.idle_from, self.calls = time, time(), list[str]()

    def submit(self, seconds: float) -> None:
        self.calls.append("step")
        self.idle_from = self.end_of_work() + seconds

    def end_of_work(self) -> float:
        return max(self.idle_from, self.time.seconds)

    def synchronize(self) -> None:
        self.calls.append("synchronize")
        self.time.seconds = self.end_of_work()

    def reset_peak_memory(self) -> None:
        self.calls.append("reset peak memory")

    def clock(self) -> Clock:
        return _Line(self)

    def ranks(self, wait_seconds: float = 0.0) -> Ranks:
        """Ranks of which this one waits so long for the others."""

        def start_together() -> None:
            self.calls.append("start together")
            self.time.seconds += wait_seconds

        return Ranks(start_together=start_together, slowest=lambda seconds: seconds)


class _Line:
    """Marks on the time line of an `Accelerator`."""

    def __init__(self, device: Accelerator) -> None:
        self._device, self._marks = device, list[float]()

    def mark(self) -> None:
        self._marks.append(self._device.end_of_work())

    def wait(self) -> None:
        self._device.time.seconds = max(self._device.time.seconds, self._marks[-1])

    def seconds(self) -> list[float]:
        return [end - start for start, end in zip(self._marks, self._marks[1:], strict=False)]


class Submitted(Scripted):
    """Work of an `Accelerator`, submitted by a host that continues at once."""

    def __init__(self, device: Accelerator, *, fetch: float = 0.0, step: Callable[[int], float]) -> None:
        super().__init__(device.time, fetch=fetch, step=step, loss=None)
        self._device = device

    def work(self, seconds: float) -> None:
        self._device.submit(seconds)
