"""How long a plan will take: from earlier launches of the same cases where there are any, else a rough guess."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from ssdbench.schema.case import WORKLOADS, Case, Plan, Protocol, steps_filling
from ssdbench.schema.environment import Hardware
from ssdbench.schema.record import Record
from ssdbench.schema.work import model_gflop_per_image

# Orders of magnitude only: a launch that was measured once is never guessed again.
_GUESSED_GFLOP_PER_SECOND = {("cpu", "fp32"): 50.0, ("cpu", "bf16"): 130.0, ("cuda", "fp32"): 8e3}
_GUESSED_GPU_GFLOP_PER_SECOND = 25e3
_GUESSED_IMAGES_PER_SECOND_PER_THREAD = 100.0
_GUESSED_START_SECONDS = 15.0
# On a GPU the first step searches for the fastest kernels: as long as 170 to 400 steps on an H100, whose steps are
# several times faster than what is guessed here.
_GUESSED_SEARCH_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predicted seconds of a launch of each case, by key; `guessed` names those without an earlier launch."""

    launch_seconds: dict[str, float]
    guessed: frozenset[str]

    def total_seconds(self, plan: Plan) -> float:
        """Predicted seconds of all launches of the plan."""
        return sum(self.launch_seconds[slot.case_key] for slot in plan.order)


def forecast(plan: Plan, hardware: Hardware, history: Iterable[Record]) -> Forecast:
    """Predict from `history`: records of the same case on the same hardware.

    Launches of the same protocol are the prediction; from those of another one come the time of a step and what a
    launch takes besides.
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


def loop_seconds(protocol: Protocol, step_seconds: float) -> float:
    """Predicted seconds of the warm-up and the timed region together, where a step takes `step_seconds`."""
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
    besides = max(0.0, record.launch_seconds - sum(measurement.step_seconds))
    return besides + loop_seconds(protocol, statistics.fmean(timed))


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
