"""Measures what a device can do at most, before the first launch, and adds it to the measurements of all launches."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.harness.gpu_group import Launcher
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import WORKLOADS, Case, LaunchRequest, LimitsRequest, Plan
from ssdbench.schema.limits import LimitsAnswer, SpeedLimits
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.roofline import arithmetic_of
from ssdbench.schema.training import Training

LimitsByCase = Mapping[str, SpeedLimits]
"""Case key -> what its launches are held against."""

_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLimits:
    """The limits of cases, and sentences on what is not known of them."""

    of_cases: LimitsByCase
    notes: tuple[str, ...] = ()


def limited_cases(plan: Plan) -> tuple[Case, ...]:
    """The cases of a plan that have limits: those with launches in which the model takes steps."""
    due = {slot.case_key for slot in plan.order}
    planned = (item.case for item in plan.cases if item.case.key in due)
    return tuple(case for case in planned if (traits := WORKLOADS[case.workload]).uses_model and traits.gated_metric)


def find_limits(launcher: LocalLauncher, cases: Sequence[Case], folder: Path, seed: int) -> FoundLimits:
    """Ask a worker for the limits of these cases (at least one); `folder` has the launches of the run.

    A worker that fails leaves all limits unknown: the run does not depend on them.
    """
    most_threads = max(cases, key=lambda case: case.threads_per_rank)
    protocol = replace(most_threads.protocol, timeout_seconds=_TIMEOUT_SECONDS)
    request = LaunchRequest(
        schema_version=EXCHANGE_VERSION,
        case=replace(most_threads, world_size=1, nodes=1, options={}, protocol=protocol),
        launch=0,
        seed=seed,
        output=str((folder / f"limits-{secrets.token_hex(3)}").absolute()),
        limits=LimitsRequest(cases=tuple(cases)),
    )
    answer = launcher.find_limits(request)
    if isinstance(answer, LimitsAnswer) and not len(answer.work) == len(answer.ceilings) == len(cases):
        answer = Failure(kind="crash", message="bad measurement: limits.json is of other cases")
    if isinstance(answer, Failure):
        why = f"what the device can do at most is not known ({answer.message}); its log is in {request.output}"
        return FoundLimits(of_cases={}, notes=(why,))
    return FoundLimits(of_cases=_by_case(cases, answer), notes=answer.notes)


def _by_case(cases: Sequence[Case], answer: LimitsAnswer) -> LimitsByCase:
    return {
        case.key: SpeedLimits(
            arithmetic=arithmetic_of(case),
            measured_at=answer.measured_at,
            flop_per_image=work.flop_per_image if work else None,
            bytes_per_image=work.bytes_per_image if work else None,
            matmul_flop_per_second=ceilings.matmul_flop_per_second.get(arithmetic_of(case)),
            copy_bytes_per_second=ceilings.copy_bytes_per_second,
        )
        for case, work, ceilings in zip(cases, answer.work, answer.ceilings, strict=True)
    }


class LimitsLauncher:
    """Like `launcher`, with the limits of its case in every measurement."""

    def __init__(self, launcher: Launcher, limits: LimitsByCase) -> None:
        self._launcher = launcher
        self._limits = limits

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch."""
        outcome = self._launcher.launch(request, on_event)
        if not isinstance(outcome, Measurement):
            return outcome
        return replace(outcome, limits=self._limits.get(request.case.key))
