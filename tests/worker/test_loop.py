"""The timed region: what is inside, what is outside, and what its samples mean."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ssdbench.errors import NotFiniteError
from ssdbench.runtime.device import Cpu, Device
from ssdbench.schema.case import Protocol
from ssdbench.schema.record import EpochCount
from ssdbench.worker.events import Events
from ssdbench.worker.loop import Samples, measure
from ssdbench.worker.reduction import reduce_ranks
from ssdbench.workloads.workload import Step


class Time:
    """A clock that only moves when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Scripted:
    """Work that takes exactly the time it is told to."""

    version = 1

    def __init__(self, time: Time, *, fetch: float, step: Callable[[int], float], loss: float | None = 1.0) -> None:
        self.time, self.fetch_seconds, self.step_seconds, self.loss, self.count = time, fetch, step, loss, 0

    def fetch(self) -> int:
        self.time.seconds += self.fetch_seconds
        return 2

    def step(self, batch: int) -> Step:
        self.time.seconds += self.step_seconds(self.count)
        self.count += 1
        return Step(images=batch, loss=None if self.loss is None else torch.tensor(self.loss))

    def epochs(self) -> tuple[EpochCount, ...]:
        return ()

    def close(self) -> None:
        pass


class SlowToFinish(Cpu):
    """A device whose last work ends a second after it was submitted."""

    def __init__(self, time: Time) -> None:
        super().__init__(torch.get_num_threads(), time)
        self.time = time

    def synchronize(self) -> None:
        self.time.seconds += 1.0


def run(tmp_path: Path, time: Time, work: Scripted, device: Device | None = None, *, warmup: int = 0) -> Samples:
    protocol = Protocol(warmup_steps=warmup, steps=100)
    device = device or Cpu(torch.get_num_threads(), time)
    with Events(tmp_path, 0) as events:
        return measure(work, protocol, device, lambda: None, time, events)


def test_a_hundred_steps_of_a_tenth_of_a_second_are_ten_seconds(tmp_path: Path) -> None:
    time = Time()
    samples = run(tmp_path, time, Scripted(time, fetch=0.0, step=lambda n: 0.1))
    assert samples.wall_seconds == pytest.approx(10.0)
    assert samples.step_seconds == pytest.approx([0.1] * 100)
    assert samples.images == 200


def test_a_stall_in_the_fetch_is_inside_the_region_and_in_the_step_that_waited(tmp_path: Path) -> None:
    time = Time()
    samples = run(tmp_path, time, Scripted(time, fetch=0.05, step=lambda n: 0.1))
    assert samples.wall_seconds == pytest.approx(15.0)
    assert samples.step_seconds == pytest.approx([0.15] * 100)
    assert samples.fetch_seconds == pytest.approx([0.05] * 100)


def test_warm_up_steps_are_kept_and_marked_but_not_timed(tmp_path: Path) -> None:
    time = Time()
    samples = run(tmp_path, time, Scripted(time, fetch=0.0, step=lambda n: 9.0 if n < 5 else 0.1), warmup=5)
    assert samples.step_seconds[:5] == pytest.approx([9.0] * 5)
    assert samples.wall_seconds == pytest.approx(10.0)
    assert samples.images == 200


def test_work_still_running_at_the_end_is_waited_for(tmp_path: Path) -> None:
    time = Time()
    samples = run(tmp_path, time, Scripted(time, fetch=0.0, step=lambda n: 0.1), SlowToFinish(time))
    assert samples.wall_seconds == pytest.approx(11.0)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error_that_names_its_step(tmp_path: Path, loss: float) -> None:
    time = Time()
    with pytest.raises(NotFiniteError, match="step 0"):
        run(tmp_path, time, Scripted(time, fetch=0.0, step=lambda n: 0.1, loss=loss))


def samples(step_seconds: list[float], fetch_seconds: list[float], loss: float) -> Samples:
    return Samples(
        step_seconds=step_seconds,
        fetch_seconds=fetch_seconds,
        wall_seconds=sum(step_seconds),
        images=2 * len(step_seconds),
        losses=[loss] * len(step_seconds),
    )


def test_the_slowest_rank_sets_the_pace_step_by_step() -> None:
    reduced = reduce_ranks([samples([0.1, 0.4], [0.01, 0.02], 1.0), samples([0.3, 0.1], [0.03, 0.04], 3.0)])
    assert reduced.step_seconds == (0.3, 0.4)
    assert reduced.fetch_seconds == (0.03, 0.02)
    assert reduced.wall_seconds == pytest.approx(0.5)
    assert reduced.images == 8
    assert reduced.losses == (2.0, 2.0)


@pytest.mark.parametrize("world_size", [1, 4])
def test_throughput_at_global_batch_2_is_the_same_on_one_rank_and_on_four(world_size: int) -> None:
    # 100 steps of 0.1 s at global batch 2 are 20 images/s, however many ranks share the batch.
    rank = Samples(
        step_seconds=[0.1] * 100, fetch_seconds=[0.0] * 100, wall_seconds=10.0, images=200 // world_size, losses=None
    )
    reduced = reduce_ranks([rank] * world_size)
    assert reduced.images / reduced.wall_seconds == pytest.approx(20.0)
