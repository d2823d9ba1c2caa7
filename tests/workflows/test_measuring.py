"""A suite from its plan to its exit code without the command line: real launches of `pace`, seen by a display."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, ExitCode
from ssdbench.harness import run_setup
from ssdbench.harness.launch_loop import Observer
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import Case
from ssdbench.schema.record import Record
from ssdbench.schema.verdict import Comparison
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import NoObserver, Quiet
from ssdbench.workflows.measuring import BegunRun, measure, predict, setup_suite
from tests.builders import a_record


class Kept(Quiet, NoObserver):
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.names: list[str] = []
        self.measured_before: list[int] = []
        self.verdicts: list[tuple[Comparison, ExitCode]] = []
        self.ended: list[Record] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def launches(self, begun: BegunRun) -> AbstractContextManager[Observer]:
        self.measured_before.append(len(begun.run.records))
        assert begun.forecast().launch_seconds.keys() == {planned.case.key for planned in begun.header.plan.cases}
        return nullcontext(self)

    def judged(self, comparison: Comparison, code: ExitCode) -> None:
        self.verdicts.append((comparison, code))

    def launch_started(self, case: Case, name: str) -> None:
        self.names.append(name)

    def launch_finished(self, record: Record, name: str) -> None:
        self.ended.append(record)

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        assert len(case_keys) <= 2


def test_every_launch_is_shown_stored_and_returned_and_a_second_run_may_be_decided_by_the_first(
    store: FileStore, suite: Path
) -> None:
    display, setup = Kept(), setup_suite(suite)
    assert len(predict(store, setup).guessed) == 1
    first = measure(store, setup, display)
    assert first.run == store.load("latest")
    assert (first.comparison, first.exit_code, display.verdicts) == (None, ExitCode.OK, [])
    assert display.names == ["launch 1 of 2", "launch 2 of 2"]
    assert display.ended == list(first.run.records)
    assert not is_unfinished(store, first.run)
    assert predict(store, setup).guessed == frozenset()

    options = replace(setup.options, until_decided=first.run.header.run_id)
    second = measure(store, replace(setup, options=options), display)
    assert second.comparison is not None
    assert display.verdicts == [(second.comparison, second.exit_code)]
    assert second.comparison.baseline_run_id == first.run.header.run_id
    # Two stored launches decide nothing, and more of the candidate have no partner.
    assert second.exit_code is ExitCode.INCONCLUSIVE


def test_a_run_whose_time_is_up_is_unfinished_and_continues_where_it_stopped(store: FileStore, suite: Path) -> None:
    setup = setup_suite(suite)
    assert measure(store, setup, deadline_seconds=time.monotonic() - 1).run.records == ()
    begun = store.load("latest")
    assert is_unfinished(store, begun)
    run_id, case = begun.header.run_id, begun.header.plan.cases[0].case
    store.append(a_record(run_id=run_id, case=case, hardware=begun.header.hardware, dataset=None))
    display = Kept()
    resumed = run_setup.resumed_setup(store, None, "tiny", lambda run: is_unfinished(store, run))
    measured = measure(store, resumed, display)
    assert measured.run.header == begun.header
    assert (display.measured_before, display.names) == ([1], ["launch 2 of 2"])


def test_a_failed_launch_is_an_exit_code_and_a_record(store: FileStore, suite: Path) -> None:
    suite.write_text(suite.read_text().replace("timeout_seconds = 100", "timeout_seconds = 0.1"))
    measured = measure(store, setup_suite(suite))
    assert measured.exit_code is ExitCode.CASE_FAILED
    assert all(record.failure is not None for record in measured.run.records)


def test_a_plan_without_a_case_for_this_machine_is_refused_before_anything_is_stored(
    store: FileStore, suite: Path
) -> None:
    suite.write_text(suite.read_text().replace('workload = "pace"', 'workload = "pace"\nworld_size = 4096'))
    with pytest.raises(EnvironmentLacksError, match="needs a CPU for each of 4096 processes"):
        measure(store, setup_suite(suite))
    assert store.headers() == []
