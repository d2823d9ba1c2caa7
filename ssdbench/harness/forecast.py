"""How long a plan will take: from earlier launches of the same cases where there are any, else a rough guess."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from ssdbench.schema.case import WORKLOADS, Case, Plan
from ssdbench.schema.environment import Hardware
from ssdbench.schema.record import Record
from ssdbench.schema.work import model_gflop_per_image

# Orders of magnitude only: a launch that was measured once is never guessed again.
_GUESSED_GFLOP_PER_SECOND = {("cpu", "fp32"): 50.0, ("cpu", "bf16"): 130.0, ("cuda", "fp32"): 8e3}
_GUESSED_GPU_GFLOP_PER_SECOND = 25e3
_GUESSED_IMAGES_PER_SECOND_PER_THREAD = 100.0
_GUESSED_START_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predicted seconds of a launch of each case, by key; `guessed` names those without an earlier launch."""

    launch_seconds: dict[str, float]
    guessed: frozenset[str]

    def total_seconds(self, plan: Plan) -> float:
        """Predicted seconds of all launches of the plan."""
        return sum(self.launch_seconds[slot.case_key] for slot in plan.order)


def forecast(plan: Plan, hardware: Hardware, history: Iterable[Record]) -> Forecast:
    """Predict from `history`: records of the same case and protocol on the same hardware."""
    earlier: dict[tuple[str, object], list[float]] = {}
    for record in history:
        if record.measurement is not None and record.hardware == hardware:
            earlier.setdefault((record.case.key, record.case.protocol), []).append(record.launch_seconds)
    predicted: dict[str, float] = {}
    guessed: set[str] = set()
    for case in (planned.case for planned in plan.cases if planned.skip_reason is None):
        seconds = earlier.get((case.key, case.protocol))
        predicted[case.key] = statistics.median(seconds) if seconds else _guess(case)
        if not seconds:
            guessed.add(case.key)
    return Forecast(launch_seconds=predicted, guessed=frozenset(guessed))


def _guess(case: Case) -> float:
    steps = case.protocol.warmup_steps + case.protocol.steps
    step_seconds = case.batch_size_per_gpu / (_GUESSED_IMAGES_PER_SECOND_PER_THREAD * case.threads_per_rank)
    traits = WORKLOADS[case.workload]
    if traits.uses_model:
        gflop = model_gflop_per_image(case.backbone, trains=traits.trains) * case.batch_size_per_gpu
        rate = _GUESSED_GFLOP_PER_SECOND.get((case.device, case.precision), _GUESSED_GPU_GFLOP_PER_SECOND)
        share = case.threads_per_rank if case.device == "cpu" else 1
        step_seconds = max(step_seconds, gflop / (rate * share))
    return _GUESSED_START_SECONDS + steps * step_seconds
