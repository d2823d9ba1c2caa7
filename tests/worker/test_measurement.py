"""A launch that is measured: what it says of the timed region is not touched by the steps that come after."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.stores.codec import read_measurement
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import Case, Protocol, StepCounts
from ssdbench.schema.record import EpochCount, Measurement
from ssdbench.worker import measurement
from ssdbench.worker.events import Events
from ssdbench.worker.measurement import take_measurement
from ssdbench.workloads import pace
from tests.builders import a_case
from tests.worker.scripted import Accelerator, Submitted, Time

WARMUP, TIMED = 2, 4
IN_WARM_UP, IN_REGION, IN_PROFILE = 9 * 2**30, 5 * 2**30, 7 * 2**30


class Alone:
    """The process group of a single rank."""

    rank, world_size, backend = 0, 1, "gloo"

    def gather(self, value: object) -> list[object]:
        return [value]

    def barrier(self) -> None:
        pass


class Remembering(Accelerator):
    """A device whose peak memory rises with the steps: most in the warm-up, least in the timed region."""

    def __init__(self, time: Time) -> None:
        super().__init__(time)
        self.steps, self.peak = 0, 0

    def submit(self, seconds: float) -> None:
        super().submit(seconds)
        used = IN_WARM_UP if self.steps < WARMUP else IN_REGION if self.steps < WARMUP + TIMED else IN_PROFILE
        self.peak = max(self.peak, used)
        self.steps += 1

    def reset_peak_memory(self) -> None:
        self.peak = 0

    def peak_memory_bytes(self) -> int:
        return self.peak


class Passing(Submitted):
    """Work that ends a pass over its data with every step."""

    def epochs(self) -> tuple[EpochCount, ...]:
        return tuple(EpochCount(expected_images=2, seen_images=2) for _ in range(self.count))


class Neighbours:
    """Other processes that use a core for every step of the device since they were looked at."""

    def __init__(self, device: Remembering) -> None:
        self._device, self._begun = device, 0

    def begin(self) -> None:
        self._begun = self._device.steps

    cpu_count = 64

    def cores(self) -> float:
        return float(self._device.steps - self._begun)


def measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case, counts: StepCounts | None = None
) -> Measurement:
    device = Remembering(Time())
    monkeypatch.setattr(pace, "open_workload", lambda context: Passing(device, step=lambda n: 0.1))
    monkeypatch.setattr(measurement, "open_other_cpu_usage", lambda: Neighbours(device))
    monkeypatch.setenv("LOCAL_RANK", "0")
    group: Any = Alone()
    context = RankContext(case=case, device=device, precision=PrecisionPolicy("fp32", device), group=group, seed=1)
    with Events(tmp_path, 0) as events:
        take_measurement(context, tmp_path, events, counts)
    return read_measurement((tmp_path / "measurement.json").read_text())


def test_the_timed_region_is_stored_before_more_steps_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> dict[str, list[float]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(measurement, "profile", killed)
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, monkeypatch, a_paced_case())
    found = read_measurement((tmp_path / "measurement.json").read_text())
    assert (len(found.step_seconds), found.phases) == (WARMUP + TIMED, ())


def a_paced_case(**protocol: Any) -> Case:
    return a_case(workload="pace", protocol=replace(Protocol(warmup_steps=WARMUP, steps=TIMED), **protocol))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda found: found.peak_memory_bytes, (IN_REGION,)),
        (lambda found: len(found.epochs), WARMUP + TIMED),
        (lambda found: found.foreign_cpu_cores, float(TIMED)),
        (lambda found: len(found.step_seconds), WARMUP + TIMED),
    ],
    ids=["peak-memory", "passes", "foreign-cpu", "steps"],
)
def test_results_of_the_timed_region_include_no_step_before_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[[Measurement], object], expected: object
) -> None:
    found = measured(tmp_path, monkeypatch, a_paced_case())
    assert len(found.phases[0].seconds) == 3  # there were steps after it
    assert what(found) == expected


def test_a_launch_takes_and_reports_the_steps_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = StepCounts(warmup_steps=3, timed_steps=2)
    found = measured(tmp_path, monkeypatch, a_paced_case(warmup_seconds=3.0, timed_seconds=5.0), counts)
    assert (found.warmup_steps, len(found.step_seconds)) == (3, 5)
    assert len(found.phases[0].seconds) == 2  # no more than were timed
    events_written = [json.loads(line) for line in (tmp_path / "events-0.jsonl").read_text().splitlines()]
    assert {"event": "steps", "warmup_steps": 3, "timed_steps": 2} in events_written


def test_a_latency_is_timed_by_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Remembering, "timer", "cuda_event")
    assert measured(tmp_path, monkeypatch, a_paced_case()).timer == "cuda_event"
    synchronised = replace(a_paced_case(), options={"timing": "synchronised"})
    assert measured(tmp_path, monkeypatch, synchronised).timer == "perf_counter"
