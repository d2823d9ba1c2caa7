"""What a device can do at most is asked for once, before all launches, and is in the measurements of all of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.limits import FoundLimits, LimitsLauncher, find_limits, limited_cases
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.limits import LimitsAnswer, StepWork
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.roofline import Ceilings
from tests.builders import a_case, a_failure, a_measurement, a_run

INFER = a_case(workload="infer")
HALF = a_case(precision="bf16")
CEILINGS = Ceilings(source="", matmul_flop_per_second={"fp32": 5e10, "bf16": 9e10}, copy_bytes_per_second=2e10)
ANSWER = LimitsAnswer(
    schema_version=EXCHANGE_VERSION,
    measured_at="2026-01-05T12:00:00+00:00",
    work=(StepWork(flop_per_image=15e9, bytes_per_image=2e8), StepWork(flop_per_image=46e9, bytes_per_image=6e8)),
    ceilings=(CEILINGS, CEILINGS),
)


class Worker(LocalLauncher):
    """Answers as told, and measures."""

    def __init__(self, answer: LimitsAnswer | Failure = ANSWER) -> None:
        super().__init__("python")
        self.answer = answer
        self.asked: list[LaunchRequest] = []

    def find_limits(self, request: LaunchRequest) -> LimitsAnswer | Failure:
        self.asked.append(request)
        return self.answer

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Failure:
        return a_measurement(case=request.case)


def found(worker: Worker, folder: Path) -> FoundLimits:
    return find_limits(worker, (INFER, HALF), folder, seed=1)


def a_request(folder: Path) -> LaunchRequest:
    return LaunchRequest(schema_version=EXCHANGE_VERSION, case=HALF, launch=0, seed=1, output=str(folder))


def test_each_case_has_its_own_work_and_the_ceiling_of_its_arithmetic(tmp_path: Path) -> None:
    worker = Worker()
    limits = found(worker, tmp_path).of_cases
    infer, half = limits[INFER.key], limits[HALF.key]
    assert (infer.arithmetic, infer.flop_per_image, infer.matmul_flop_per_second) == ("fp32", 15e9, 5e10)
    assert (half.arithmetic, half.flop_per_image, half.matmul_flop_per_second) == ("bf16", 46e9, 9e10)
    assert half.copy_bytes_per_second == 2e10
    measured = LimitsLauncher(worker, limits).launch(a_request(tmp_path), lambda _: None)
    assert isinstance(measured, Measurement)
    assert measured.limits == half


def test_one_process_is_asked_with_all_the_threads_of_a_rank_and_none_of_the_options(tmp_path: Path) -> None:
    worker = Worker()
    wide = replace(HALF, threads_per_rank=8, world_size=2, options={"timing": "synchronised"})
    find_limits(worker, (INFER, wide), tmp_path, seed=1)
    (asked,) = worker.asked
    assert (asked.case.world_size, asked.case.threads_per_rank, asked.case.options) == (1, 8, {})
    assert asked.limits is not None
    assert asked.limits.cases == (INFER, wide)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (a_failure(), "the worker ended with exit code 9"),
        (replace(ANSWER, work=ANSWER.work[:1]), "limits.json is of other cases"),
    ],
)
def test_a_worker_that_fails_leaves_the_limits_unknown_and_says_why(
    answer: LimitsAnswer | Failure, why: str, tmp_path: Path
) -> None:
    nothing = found(Worker(answer), tmp_path)
    assert nothing.of_cases == {}
    (note,) = nothing.notes
    assert note.startswith("what the device can do at most is not known (")
    assert why in note
    measured = LimitsLauncher(Worker(), nothing.of_cases).launch(a_request(tmp_path), lambda _: None)
    assert isinstance(measured, Measurement)
    assert measured.limits is None


def test_work_that_an_old_torch_cannot_count_leaves_the_ceilings(tmp_path: Path) -> None:
    old = replace(ANSWER, work=(None, None), notes=("work is counted with torch 2.1 or newer, this is 1.9.0",))
    limits = found(Worker(old), tmp_path)
    assert limits.notes == old.notes
    assert (limits.of_cases[HALF.key].flop_per_image, limits.of_cases[HALF.key].matmul_flop_per_second) == (None, 9e10)


def test_only_cases_with_launches_of_the_model_are_asked_about() -> None:
    pace = a_case(workload="pace")
    plan = a_run((INFER, (0.1,)), (pace, (0.1,)), (HALF, (0.1,))).header.plan
    due = replace(plan, order=tuple(slot for slot in plan.order if slot.case_key != HALF.key))
    assert limited_cases(due) == (INFER,)
