"""The timed region: what is inside, what is outside, and what its samples mean."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ssdbench.errors import NotFiniteError
from ssdbench.runtime.device import Cpu, Device, open_device
from ssdbench.schema.case import Protocol
from ssdbench.worker.events import Events
from ssdbench.worker.loop import Ranks, Samples, measure
from ssdbench.worker.reduction import reduce_ranks
from tests.worker.scripted import ALONE, Accelerator, Scripted, Submitted, Time


def run(
    tmp_path: Path, time: Time, work: Scripted, device: Device | None = None, ranks: Ranks = ALONE, *,
    warmup: int = 0, steps: int = 100, synchronised: bool = False,
) -> Samples:  # fmt: skip
    device = device or Cpu(torch.get_num_threads(), time)
    protocol = Protocol(warmup_steps=warmup, steps=steps)
    with Events(tmp_path, 0) as events:
        return measure(work, protocol, device, ranks, time, events, synchronised=synchronised)


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


def test_a_step_begins_on_the_device_when_the_step_before_it_ends(tmp_path: Path) -> None:
    device = Accelerator(Time())
    samples = run(tmp_path, device.time, Submitted(device, step=lambda n: 0.1), device)
    assert samples.step_seconds == pytest.approx([0.1] * 100)
    assert samples.fetch_seconds == [0.0] * 100


def test_work_still_running_at_the_end_is_waited_for(tmp_path: Path) -> None:
    device = Accelerator(Time())
    samples = run(tmp_path, device.time, Submitted(device, step=lambda n: 0.1), device)
    assert samples.wall_seconds == pytest.approx(10.0)


def test_work_of_the_warm_up_has_ended_when_the_clock_starts(tmp_path: Path) -> None:
    device = Accelerator(Time())
    samples = run(tmp_path, device.time, Submitted(device, step=lambda n: 9.0 if n < 5 else 0.1), device, warmup=5)
    assert samples.wall_seconds == pytest.approx(10.0)
    assert samples.step_seconds == pytest.approx([9.0] * 5 + [0.1] * 100)


def test_the_clock_starts_when_the_ranks_have_met(tmp_path: Path) -> None:
    device = Accelerator(Time())
    work = Submitted(device, step=lambda n: 0.1)
    samples = run(tmp_path, device.time, work, device, device.ranks(wait_seconds=50.0), warmup=5)
    assert samples.wall_seconds == pytest.approx(10.0)
    assert samples.step_seconds == pytest.approx([0.1] * 105)


def test_the_device_is_idle_and_its_peak_reset_before_the_ranks_meet_and_nothing_waits_between_timed_steps(
    tmp_path: Path,
) -> None:
    device = Accelerator(Time())
    run(tmp_path, device.time, Submitted(device, step=lambda n: 0.1), device, device.ranks(), warmup=2, steps=3)
    assert device.calls == [
        *("step", "step", "synchronize", "reset peak memory", "start together"),
        *("step", "step", "step", "synchronize"),
    ]


def test_a_step_that_is_waited_for_takes_from_asking_for_its_batch_to_the_end_of_its_work(tmp_path: Path) -> None:
    device = Accelerator(Time())
    work = Submitted(device, fetch=0.05, step=lambda n: 0.1)
    samples = run(tmp_path, device.time, work, device, warmup=5, synchronised=True)
    assert samples.step_seconds == pytest.approx([0.15] * 105)
    assert samples.fetch_seconds == pytest.approx([0.05] * 105)
    assert samples.wall_seconds == pytest.approx(15.0)
    # In a stream that is submitted ahead the same fetch hides behind the work of the step before it.
    ahead = run(tmp_path, device.time, Submitted(device, fetch=0.05, step=lambda n: 0.1), device, warmup=5)
    assert ahead.step_seconds[1:5] == pytest.approx([0.1] * 4)


@pytest.mark.gpu
def test_a_gpu_is_waited_for_up_to_the_mark_and_not_for_what_other_streams_do() -> None:
    clock = open_device("cuda", 0, 1, time.perf_counter).clock()
    ours, theirs = torch.cuda.Event(), torch.cuda.Event()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(4_000_000_000)
        theirs.record()
    torch.cuda._sleep(40_000_000)
    ours.record()
    clock.mark()
    clock.wait()
    assert ours.query()
    assert not theirs.query()
    torch.cuda.synchronize()


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error_that_names_its_step(tmp_path: Path, loss: float) -> None:
    time = Time()
    with pytest.raises(NotFiniteError, match="step 0"):
        run(tmp_path, time, Scripted(time, fetch=0.0, step=lambda n: 0.1, loss=loss))


def samples(step_seconds: list[float], fetch_seconds: list[float], loss: float) -> Samples:
    return Samples(
        warmup_steps=0,
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
    rank = samples([0.1] * 100, [0.0] * 100, 1.0)
    reduced = reduce_ranks([replace(rank, images=200 // world_size)] * world_size)
    assert reduced.images / reduced.wall_seconds == pytest.approx(20.0)
