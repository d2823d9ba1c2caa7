"""A damaged last.pt: the seed says what to do, and continues once the file is as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssdbench.errors import DataError, ExitCode
from ssdbench.harness.launch_loop import Event, LaunchLoop
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.record import Failure, FailureKind
from ssdbench.workloads.accuracy import _last_checkpoint
from tests.builders import a_case, a_failure, a_run
from tests.cli.conftest import Ssdbench, Start
from tests.cli.test_converge_run import kill_host_and_ranks, last_record, only_training, suite
from tests.harness.test_launch_loop import Kept


@pytest.mark.fault("E58", "a training's last.pt is cut off")
def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    assert _last_checkpoint(tmp_path / "last.pt") is None
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError) as caught:
        _last_checkpoint(tmp_path / "last.pt")
    assert str(caught.value) == (
        f"{tmp_path}/last.pt: not a torch file, or a damaged one: restore it from a copy, or remove it to train this "
        "seed from its start, and continue with `ssdbench converge --resume`"
    )


class Trainer:
    """Remembers the trainings that it was asked to continue."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Failure:
        self.asked.append(request.case.workload)
        return a_failure("bad_data", "still damaged")


@pytest.mark.fault("E58", "a run is resumed whose seed failed because of its last.pt")
@pytest.mark.parametrize(("kind", "again"), [("bad_data", 1), ("not_finite", 0)])
def test_a_seed_that_failed_for_its_data_is_tried_again(tmp_path: Path, kind: FailureKind, again: int) -> None:
    case, trainer, kept = a_case(workload="accuracy"), Trainer(), Kept()
    run = a_run((case, (a_failure(kind),)))
    loop = LaunchLoop(run, None, {"candidate": trainer}, kept, tmp_path, kept, tmp_path)
    loop.measure(case, "candidate", "measure", 0, "seed 1")
    assert len(trainer.asked) == again


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.fault("E58", "last.pt is damaged between a killed training and its resumption, then restored")
def test_a_training_continues_once_its_checkpoint_is_restored(ssdbench: Ssdbench, start: Start, tmp_path: Path) -> None:
    results = tmp_path / "results"
    kill_host_and_ranks(start("converge", "--suite", suite(tmp_path)), results)
    checkpoint = only_training(results) / "last.pt"
    sound = checkpoint.read_bytes()
    checkpoint.write_bytes(sound[: len(sound) // 2])
    done = ssdbench("converge", "--resume")
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    assert "restore it from a copy, or remove it" in done.stdout + done.stderr
    checkpoint.write_bytes(sound)
    resumed = ssdbench("converge", "--resume")
    assert resumed.returncode == ExitCode.OK, resumed.stdout + resumed.stderr
    training = last_record(results).training
    assert training is not None
    assert training.complete
    assert len(FileStore(results).load("latest").records) == 2
