"""With a protocol in seconds, the first valid launch of a case fixes the number of steps for all others of the run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.harness.launch_loop import Event, LaunchLoop
from ssdbench.harness.runner import run_pairs, run_plan
from ssdbench.schema.case import Case, LaunchRequest, Protocol, StepCounts
from ssdbench.schema.launch_values import Stage, Wanted
from ssdbench.schema.record import Measurement, Run
from tests.builders import a_case, a_measurement, a_run
from tests.harness.test_launch_loop import Kept

SECONDS = a_case(protocol=Protocol(warmup_steps=2, steps=10, warmup_seconds=3.0, timed_seconds=5.0, launches=3))
OTHER = replace(SECONDS, batch_size_per_gpu=4)


class Machine:
    """Takes the steps it is given; else as many as told, another number with every launch."""

    def __init__(self, *, busy: tuple[int, ...] = ()) -> None:
        self.asked: list[tuple[str, StepCounts | None]] = []
        self._busy = busy

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        number = len(self.asked)
        self.asked.append((request.case.key, request.step_counts))
        taken = request.step_counts or StepCounts(warmup_steps=20 + number, timed_steps=100 + number)
        return a_measurement(
            case=request.case,
            step_seconds=[0.1] * (taken.warmup_steps + taken.timed_steps),
            warmup_steps=taken.warmup_steps,
            foreign_cpu_cores=1.0 if number in self._busy else 0.0,
        )

    @property
    def counts(self) -> list[StepCounts | None]:
        return [counts for _, counts in self.asked]


def planned(tmp_path: Path, machine: Machine, *cases: Case) -> Kept:
    kept, run = Kept(), a_run(*((case, ()) for case in cases))
    run_plan(LaunchLoop(run, None, {"candidate": machine}, kept, tmp_path, kept), run.header.plan, None)
    return kept


def test_launches_after_the_first_take_its_steps(tmp_path: Path) -> None:
    planned(tmp_path, machine := Machine(), SECONDS)
    first = StepCounts(warmup_steps=20, timed_steps=100)
    assert machine.counts == [None, first, first]


def test_each_case_has_its_own(tmp_path: Path) -> None:
    planned(tmp_path, machine := Machine(), SECONDS, OTHER)
    firsts: dict[Any, Any] = {}
    for key, counts in machine.asked:
        assert counts == firsts.setdefault(key, counts) or firsts[key] is None
    found = {key: {counts for asked, counts in machine.asked if asked == key} - {None} for key in firsts}
    assert found == {
        SECONDS.key: {StepCounts(warmup_steps=20, timed_steps=100)},
        OTHER.key: {StepCounts(warmup_steps=23, timed_steps=103)},
    }


def test_an_invalid_launch_decides_nothing(tmp_path: Path) -> None:
    planned(tmp_path, machine := Machine(busy=(0,)), SECONDS)
    second = StepCounts(warmup_steps=21, timed_steps=101)
    assert machine.counts == [None, None, second, second]


def test_both_arms_of_all_pairs_take_the_same_steps(tmp_path: Path) -> None:
    kept, run = Kept(), a_run((SECONDS, ()))
    machine = Machine()
    wanted = [
        Wanted(stage=Stage.MEASURE, pairs=2),
        Wanted(stage=Stage.MEASURE, pairs=1),
        Wanted(stage=Stage.CONFIRM, pairs=1),
    ]
    answers = iter([*({SECONDS.key: more} for more in wanted), {}])
    loop = LaunchLoop(run, None, {"candidate": machine, "baseline": machine}, kept, tmp_path, kept)
    run_pairs(loop, run.header.plan, lambda _records: next(answers), None)
    assert {(record.arm, record.stage) for record in kept} == {
        (a, s) for a in ("candidate", "baseline") for s in ("measure", "confirm")
    }
    assert machine.counts == [None, *[StepCounts(warmup_steps=20, timed_steps=100)] * (len(kept) - 1)]


def test_a_resumed_run_continues_with_the_same_numbers_of_steps(tmp_path: Path) -> None:
    kept = planned(tmp_path, Machine(), SECONDS)
    run = a_run((SECONDS, ()))
    begun = Run(header=run.header, records=tuple(kept[:1]))
    loop = LaunchLoop(begun, None, {"candidate": (machine := Machine())}, Kept(), tmp_path, Kept())
    run_plan(loop, run.header.plan, None)
    assert machine.counts == [StepCounts(warmup_steps=20, timed_steps=100)] * 2


def test_steps_that_are_asked_for_by_number_are_the_protocols(tmp_path: Path) -> None:
    planned(tmp_path, machine := Machine(), a_case())
    assert machine.counts == [None, None, None]


class Queue(Machine):
    """The same with a queue: says what was under way whenever something was submitted."""

    jobs = 4

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[tuple[int, StepCounts | None]] = []

    def submit(self, request: LaunchRequest) -> None:
        self.submitted.append((request.launch, request.step_counts))

    def holds(self, folder: Path) -> bool:
        return False

    def run_seconds(self, folder: Path) -> float:
        return 1.0

    def withdraw(self) -> None:
        pass


def test_what_would_wait_in_a_queue_waits_for_the_launch_that_decides(tmp_path: Path) -> None:
    planned(tmp_path, queue := Queue(), SECONDS)
    first = StepCounts(warmup_steps=20, timed_steps=100)
    assert queue.submitted == [(0, None), (1, first), (2, first)]
    assert queue.counts == [None, first, first]
