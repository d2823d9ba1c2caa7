"""A protocol in seconds: how many steps it comes to, and that all ranks and all launches take the same number."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ssdbench.runtime.device import Cpu, Device
from ssdbench.schema.case import MOST_STEPS, Protocol, StepCounts, steps_filling
from ssdbench.worker.events import Events
from ssdbench.worker.loop import Ranks, Samples, measure
from tests.worker.scripted import ALONE, Accelerator, Scripted, Submitted, Time

# Powers of two: their sums are exact.
STEP = 0.125


def run(
    tmp_path: Path, work: Scripted, protocol: Protocol, device: Device | None = None, ranks: Ranks = ALONE,
    counts: StepCounts | None = None,
) -> Samples:  # fmt: skip
    device = device or Cpu(torch.get_num_threads(), work.time)
    with Events(tmp_path, 0) as events:
        return measure(work, protocol, device, ranks, work.time, events, counts=counts)


def paced(step: Callable[[int], float]) -> Scripted:
    return Scripted(Time(), fetch=0.0, step=step)


def timed(samples: Samples) -> list[float]:
    return samples.step_seconds[samples.warmup_steps :]


def test_the_warm_up_continues_for_its_seconds_and_a_tenth_more_steps_than_fill_the_region_are_timed(
    tmp_path: Path,
) -> None:
    samples = run(tmp_path, paced(lambda n: STEP), Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5))
    # 1 step, then parts of 6 (a quarter of 3 s) until 3 s have gone by; 5.5 s of steps of 0.125 s are 44.
    assert (samples.warmup_steps, len(timed(samples))) == (2 + 1 + 4 * 6, 44)
    assert samples.step_seconds == [STEP] * (27 + 44)
    assert samples.wall_seconds == 5.5
    assert samples.images == 2 * 44
    assert len(samples.fetch_seconds) == 27 + 44


def test_throughput_at_global_batch_2_is_20_images_a_second_where_the_steps_came_from_seconds(tmp_path: Path) -> None:
    samples = run(tmp_path, paced(lambda n: 0.1), Protocol(warmup_steps=0, warmup_seconds=1, timed_seconds=10))
    assert len(timed(samples)) == pytest.approx(110, abs=1)
    assert samples.images / samples.wall_seconds == pytest.approx(20.0)


def test_the_steps_asked_for_are_the_least_whatever_the_seconds(tmp_path: Path) -> None:
    samples = run(tmp_path, paced(lambda n: 2.0), Protocol(warmup_steps=4, warmup_seconds=1, steps=9, timed_seconds=2))
    assert (samples.warmup_steps, len(timed(samples))) == (4 + 1, 9)


def test_a_slow_start_shortens_neither_the_warm_up_nor_the_region(tmp_path: Path) -> None:
    """A compilation in the first step, and clocks that rise until 1.5 s of the warm-up have gone by."""
    slow_start = paced(lambda n: 60.0 if n == 0 else 4 * STEP if n < 6 else STEP)
    samples = run(tmp_path, slow_start, Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5))
    assert sum(samples.step_seconds[2 : samples.warmup_steps]) >= 3.0
    assert len(timed(samples)) == 44


def test_what_is_still_running_of_the_first_steps_is_no_part_of_the_warm_ups_seconds(tmp_path: Path) -> None:
    device = Accelerator(Time())
    work = Submitted(device, step=lambda n: 20.0 if n < 2 else STEP)
    samples = run(tmp_path, work, Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5), device)
    assert (samples.warmup_steps, len(timed(samples))) == (27, 44)


def test_the_region_is_one_piece_in_which_nothing_is_waited_for(tmp_path: Path) -> None:
    device = Accelerator(Time())
    work = Submitted(device, step=lambda n: STEP)
    protocol = Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5)
    run(tmp_path, work, protocol, device, device.ranks())
    start = device.calls.index("start together")
    assert device.calls[start - 2 : start] == ["synchronize", "reset peak memory"]
    assert device.calls[start + 1 :] == ["step"] * 44 + ["synchronize"]


def test_all_ranks_count_by_the_slowest_one(tmp_path: Path) -> None:
    """This rank takes 0.125 s a step, another one twice as long."""
    ranks = Ranks(start_together=lambda: None, slowest=lambda seconds: 2 * seconds)
    protocol = Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5)
    samples = run(tmp_path, paced(lambda n: STEP), protocol, ranks=ranks)
    assert (samples.warmup_steps, len(timed(samples))) == (2 + 1 + 4 * 3, 22)


def test_a_launch_that_is_given_its_steps_takes_exactly_those_and_asks_no_other_rank(tmp_path: Path) -> None:
    def nobody(_seconds: float) -> float:
        raise AssertionError

    ranks = Ranks(start_together=lambda: None, slowest=nobody)
    protocol = Protocol(warmup_steps=2, warmup_seconds=3, steps=50, timed_seconds=5)
    counts = StepCounts(warmup_steps=3, timed_steps=7)
    samples = run(tmp_path, paced(lambda n: STEP), protocol, ranks=ranks, counts=counts)
    assert (samples.warmup_steps, len(timed(samples))) == (3, 7)


@pytest.mark.parametrize("step_seconds", [1e-9, 0.0])
def test_seconds_never_ask_for_more_than_ten_thousand_steps(tmp_path: Path, step_seconds: float) -> None:
    protocol = Protocol(warmup_steps=2, warmup_seconds=3, steps=5, timed_seconds=5)
    samples = run(tmp_path, paced(lambda n: step_seconds), protocol)
    assert (samples.warmup_steps, len(timed(samples))) == (MOST_STEPS, MOST_STEPS)


def test_steps_that_were_asked_for_by_number_have_no_cap() -> None:
    assert Protocol(steps=3 * MOST_STEPS, timed_seconds=1).timed_steps(1.0) == 3 * MOST_STEPS


@pytest.mark.parametrize(
    ("seconds", "step_seconds", "count"), [(0, 0.5, 0), (0, 0, 0), (1, 0.5, 2), (1, 0.4, 3), (1, 0, MOST_STEPS)]
)
def test_steps_filling(seconds: float, step_seconds: float, count: int) -> None:
    assert steps_filling(seconds, step_seconds) == count
