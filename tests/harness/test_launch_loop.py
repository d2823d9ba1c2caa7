"""Invalid launches are measured again, at most three times."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ssdbench.harness.launch_loop import Event, LaunchLoop
from ssdbench.harness.runner import run_plan
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

    def remaining_changed(self, case_keys: Sequence[str]) -> None: ...
    def launch_started(self, case: Case, name: str) -> None: ...
    def event(self, name: str, event: Event) -> None: ...
    def launch_finished(self, record: Record, name: str) -> None: ...
    def round_finished(self, records: Sequence[Record]) -> None: ...


def measured(tmp_path: Path, *cores: float) -> Kept:
    kept = Kept()
    run = a_run((a_case(), ()))
    loop = LaunchLoop(run, None, {"candidate": BusyNeighbours(*cores)}, kept, tmp_path, kept)
    loop.measure(a_case(), "candidate", "measure", 0, "launch 1")
    return kept


def test_an_invalid_launch_is_replaced_until_one_is_valid(tmp_path: Path) -> None:
    kept = measured(tmp_path, 0.5, 0.1)
    assert [(record.replacement, record.invalid_reason is None) for record in kept] == [(0, False), (1, True)]


def test_after_three_replacements_the_environment_is_what_it_is(tmp_path: Path) -> None:
    kept = measured(tmp_path, 0.5, 0.5, 0.5, 0.5)
    assert [record.replacement for record in kept] == [0, 1, 2, 3]
    assert all("cores busy (limit 0.15:" in str(record.invalid_reason) for record in kept)


class Cluster:
    """A launcher with a queue, in memory: says in which order it is told what, and measures as paced."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.told: list[str] = []
        self.begun: set[Path] = set()

    def submit(self, request: LaunchRequest) -> None:
        self.told.append(f"submit {request.launch}")
        Path(request.output).mkdir(parents=True, exist_ok=True)
        self.begun.add(Path(request.output))

    def holds(self, folder: Path) -> bool:
        return folder in self.begun

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        self.told.append(f"collect {request.launch}")
        self.begun.remove(Path(request.output))
        return a_measurement(case=request.case)

    def run_seconds(self, folder: Path) -> float:
        return 12.5

    def withdraw(self) -> None:
        self.told.append("withdraw")


def planned(tmp_path: Path, cluster: Cluster, deadline_seconds: float | None = None) -> Kept:
    kept, run = Kept(), a_run((a_case(), ()))
    run_plan(LaunchLoop(run, None, {"candidate": cluster}, kept, tmp_path, kept), run.header.plan, deadline_seconds)
    return kept


def test_the_requested_number_of_launches_is_pending_and_they_are_collected_in_the_order_of_the_plan(
    tmp_path: Path,
) -> None:
    kept = planned(tmp_path, cluster := Cluster(jobs=2))
    assert cluster.told == [
        *("submit 0", "submit 1", "collect 0", "submit 2", "collect 1", "collect 2", "withdraw"),
    ]
    assert [(record.launch, record.order, record.launch_seconds) for record in kept] == [
        (0, 0, 12.5),
        (1, 1, 12.5),
        (2, 2, 12.5),
    ]


def test_a_later_host_process_uses_the_folder_of_a_launch_that_is_pending_and_of_no_other(tmp_path: Path) -> None:
    folders = [tmp_path / "run-1" / f"{a_case().key}-measure-candidate-{launch}-0" for launch in range(2)]
    for folder in folders:
        folder.mkdir(parents=True)
    cluster = Cluster(jobs=1)
    cluster.begun = {folders[0]}  # the second one was withdrawn
    planned(tmp_path, cluster)
    assert (tmp_path / "run-1" / f"{folders[1].name}-again1").is_dir()
    assert not (tmp_path / "run-1" / f"{folders[0].name}-again1").exists()


def test_after_the_deadline_nothing_is_submitted(tmp_path: Path) -> None:
    planned(tmp_path, cluster := Cluster(jobs=2), deadline_seconds=time.monotonic() - 1)
    assert cluster.told == ["withdraw"]
