"""The gate of a suite without pytest: selected cases are measured and judged, also where every one is skipped."""

from pathlib import Path

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.verdict import Status
from ssdbench.workflows.display import Quiet
from ssdbench.workflows.suite_gate import open_gate


def nothing(text: str) -> None:
    raise AssertionError(f"nothing is to be said, but: {text}")


def test_only_the_selected_cases_are_measured_and_each_has_its_verdict(store: FileStore, suite: Path) -> None:
    text = suite.read_text().replace("batch_size_per_gpu = 2", "batch_size_per_gpu = [1, 2]")
    suite.write_text(text.replace("launches = 2", "launches = 1"))
    gate = open_gate(suite, suite.parent / "results", "main", nothing)
    first, second = (planned.case.key for planned in gate.cases)
    comparison = gate.judge({second}, Quiet())
    assert {record.case.key for record in store.load("latest").records} == {second}
    statuses = {case.case_key: case.verdict.status for case in comparison.cases}
    assert statuses[second] is Status.NO_BASELINE
    assert statuses[first] is Status.NOT_RUN


def test_a_suite_of_which_all_is_skipped_is_stored_and_judged_as_skipped(store: FileStore, suite: Path) -> None:
    suite.write_text(suite.read_text().replace('workload = "pace"', 'workload = "pace"\nworld_size = 4096'))
    gate = open_gate(suite, suite.parent / "results", "main", nothing)
    comparison = gate.judge({planned.case.key for planned in gate.cases}, Quiet())
    assert {case.verdict.status for case in comparison.cases} == {Status.SKIPPED}
    assert store.load("latest").records == ()
