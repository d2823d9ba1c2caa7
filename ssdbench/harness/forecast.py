"""Predicts how long a plan takes: from earlier launches of the same cases, or else by a rough guess."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ssdbench.schema.case import WORKLOADS, Case, Plan, Protocol, steps_filling
from ssdbench.schema.environment import Hardware
from ssdbench.schema.record import Record
from ssdbench.schema.work import model_gflop_per_image

# Orders of magnitude only: a case that has been measured is no longer guessed.
_GUESSED_GFLOP_PER_SECOND = {("cpu", "fp32"): 50.0, ("cpu", "bf16"): 130.0, ("cuda", "fp32"): 8e3}
_GUESSED_GPU_GFLOP_PER_SECOND = 25e3
_GUESSED_IMAGES_PER_SECOND_PER_THREAD = 100.0
_GUESSED_START_SECONDS = 15.0
_GUESSED_COUNT_SECONDS = 2.0
# On a GPU the first step searches for the fastest kernels. On an H100 this takes as long as 170 to 400 steps, which are
# several times faster than the guess here.
_GUESSED_SEARCH_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predicted seconds of a launch of each case, by key; `guessed` has the cases without an earlier launch.

    `ceilings_seconds` is a guess of how long the device's ceilings are measured before them, 0 where they are not.
    """

    launch_seconds: dict[str, float]
    guessed: frozenset[str]
    ceilings_seconds: float = 0.0

    def total_seconds(self, plan: Plan) -> float:
        """Predicted seconds of all launches of the plan."""
        return sum(self.launch_seconds[slot.case_key] for slot in plan.order)


def forecast(plan: Plan, hardware: Hardware, history: Iterable[Record]) -> Forecast:
    """Predict from `history`, by records of the same case on the same hardware.

    The prediction is the median of launches with the same protocol. Launches with another protocol give the time of a
    step and the overhead of a launch.
    """
    earlier: dict[str, list[Record]] = {}
    for record in history:
        if record.measurement is not None and record.hardware == hardware:
            earlier.setdefault(record.case.key, []).append(record)
    predicted: dict[str, float] = {}
    guessed: set[str] = set()
    for case in (planned.case for planned in plan.cases if planned.skip_reason is None):
        seconds = _measured(case, earlier.get(case.key, []))
        predicted[case.key] = _guess(case) if seconds is None else seconds
        if seconds is None:
            guessed.add(case.key)
    return Forecast(launch_seconds=predicted, guessed=frozenset(guessed))


def guess_ceilings_seconds(cases: Sequence[Case]) -> float:
    """Seconds that it takes, about, to measure the ceilings for these cases and to count their work; 0 for none."""
    counted = {(case.backbone, case.precision, case.workload) for case in cases}
    return _GUESSED_START_SECONDS + _GUESSED_COUNT_SECONDS * len(counted) if cases else 0.0


def loop_seconds(protocol: Protocol, step_seconds: float) -> float:
    """Predicted seconds of warm-up plus timed region if a step takes `step_seconds`."""
    warmup = protocol.warmup_steps + steps_filling(protocol.warmup_seconds, step_seconds)
    return (warmup + protocol.timed_steps(step_seconds)) * step_seconds


def _measured(case: Case, records: list[Record]) -> float | None:
    same = [record.launch_seconds for record in records if record.case.protocol == case.protocol]
    if same:
        return statistics.median(same)
    others = [_with_protocol(case.protocol, record) for record in records]
    known = [seconds for seconds in others if seconds is not None]
    return statistics.median(known) if known else None


def _with_protocol(protocol: Protocol, record: Record) -> float | None:
    measurement = record.measurement
    timed = measurement.step_seconds[measurement.warmup_steps :] if measurement is not None else ()
    if measurement is None or not timed:
        return None
    overhead = max(0.0, record.launch_seconds - sum(measurement.step_seconds))
    return overhead + loop_seconds(protocol, statistics.fmean(timed))


def _guess(case: Case) -> float:
    step_seconds = case.batch_size_per_gpu / (_GUESSED_IMAGES_PER_SECOND_PER_THREAD * case.threads_per_rank)
    search_seconds = 0.0
    traits = WORKLOADS[case.workload]
    if traits.uses_model:
        gflop = model_gflop_per_image(case.backbone, trains=traits.trains) * case.batch_size_per_gpu
        rate = _GUESSED_GFLOP_PER_SECOND.get((case.device, case.precision), _GUESSED_GPU_GFLOP_PER_SECOND)
        share = case.threads_per_rank if case.device == "cpu" else 1
        step_seconds = max(step_seconds, gflop / (rate * share))
        search_seconds = _GUESSED_SEARCH_STEPS * gflop / rate if case.device == "cuda" else 0.0
    return _GUESSED_START_SECONDS + search_seconds + loop_seconds(case.protocol, step_seconds)
