"""Launches whose conditions were not those of their run are measured again, three times at most."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ssdbench.harness.bench import Bench, Event
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.record import Measurement, Record
from tests.builders import a_case, a_measurement, a_run


class BusyNeighbours:
    """Gives launches beside which others kept as many cores busy as told, one after another."""

    def __init__(self, *cores: float) -> None:
        self.cores = list(cores)

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        return a_measurement(case=request.case, foreign_cpu_cores=self.cores.pop(0))


class Kept(list[Record]):
    """Both a sink and an observer that looks away."""

    def append(self, record: Record) -> bool:  # type: ignore[override]
        super().append(record)
        return True

    def left(self, case_keys: Sequence[str]) -> None: ...
    def launch_started(self, case: Case, name: str) -> None: ...
    def event(self, event: Event) -> None: ...
    def launch_finished(self, record: Record, name: str) -> None: ...
    def round_ended(self, records: Sequence[Record]) -> None: ...


def measured(tmp_path: Path, *cores: float) -> Kept:
    kept = Kept()
    run = a_run((a_case(), ()))
    bench = Bench(run, None, {"candidate": BusyNeighbours(*cores)}, kept, tmp_path, kept)
    bench.measure(a_case(), "candidate", "B", 0, "launch 1")
    return kept


def test_an_invalid_launch_is_replaced_until_one_is_valid(tmp_path: Path) -> None:
    kept = measured(tmp_path, 0.5, 0.1)
    assert [(record.replacement, record.invalid_reason is None) for record in kept] == [(0, False), (1, True)]


def test_after_three_replacements_the_environment_is_what_it_is(tmp_path: Path) -> None:
    kept = measured(tmp_path, 0.5, 0.5, 0.5, 0.5)
    assert [record.replacement for record in kept] == [0, 1, 2, 3]
    assert all("cores busy (limit 0.15)" in str(record.invalid_reason) for record in kept)
