"""Several runners, one store, and clocks that are wrong: which run is judged after a measurement."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode, StoreError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from tests.builders import HOST, a_case, a_run
from tests.cli.running import keep, ssdbench

PACED = ("--workload", "pace", "--option", "step_seconds=0.01", "--warmup", "0", "--steps", "3", "--launches", "1")
HERE = ("--device", "cpu", "--foreign-cpu", "100")


def measured(results: Path, *more: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ssdbench", "run", *PACED, *HERE, "--results", results, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("B42", "another runner begins a run in the same store between `run` and `compare`")
def test_the_step_after_a_measurement_judges_the_run_just_measured(tmp_path: Path):
    ours, results = tmp_path / "run-id.txt", tmp_path / "results"
    done = measured(results, "--id-file", ours, "--compare")
    assert done.returncode == ExitCode.NOT_COVERED, done.stderr  # judged, and there is no baseline yet
    keep(results, a_run((a_case(), (0.1,) * 3), run_id="other", created_at="2999-01-05T12:00:00+00:00"))
    compared = ssdbench("compare", ours.read_text().strip(), "--results", results, "--json")
    assert compared.code == ExitCode.NOT_COVERED
    assert "pace" in compared.out


@pytest.mark.fault("B42", "the id of a run is written before its first launch")
def test_the_step_after_a_measurement_knows_also_a_run_that_was_stopped_at_once(tmp_path: Path):
    ours, results = tmp_path / "run-id.txt", tmp_path / "results"
    done = measured(results, "--id-file", ours, "--budget", "0s")
    assert done.returncode == ExitCode.OK, done.stderr
    assert (results / "records" / f"{ours.read_text().strip()}.jsonl").is_file()


def of_machine(run_id: str, hostname: str, **changes: object) -> Run:
    return a_run(run_id=run_id, host=replace(HOST, hostname=hostname), **changes)


@pytest.mark.fault("B24", "the clock is set back a day between two runs")
def test_latest_is_the_run_that_arrived_last(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first", created_at="2026-01-06T12:00:00+00:00"))
    keep(tmp_path, a_run(run_id="second", created_at="2026-01-05T12:00:00+00:00"))
    assert FileStore(tmp_path).load("latest").header.run_id == "second"


@pytest.mark.fault("B45", "one run began with the clock a year ahead")
def test_a_run_of_the_future_is_named_and_latest_once(tmp_path: Path):
    said: list[str] = []
    keep(tmp_path, a_run(run_id="first", created_at="2999-01-06T12:00:00+00:00"))
    assert FileStore(tmp_path, said.append).load("latest").header.run_id == "first"
    assert said == ["run first began at 2999-01-06T12:00:00+00:00, which is in the future: set the clock of bench"]
    keep(tmp_path, a_run(run_id="second"))
    assert FileStore(tmp_path).load("latest").header.run_id == "second"


@pytest.mark.fault("B42", "several machines measure into one store")
def test_latest_is_a_run_of_this_machine_or_must_be_named(tmp_path: Path):
    keep(tmp_path, of_machine("theirs", "a"), of_machine("others", "b"))
    with pytest.raises(StoreError, match="latest may be any of theirs of a, others of b; name one"):
        FileStore(tmp_path).load("latest")
    keep(tmp_path, of_machine("ours", socket.gethostname()), of_machine("again", "b"))
    assert FileStore(tmp_path).load("latest").header.run_id == "ours"


@pytest.mark.fault("B42", "another run is being measured")
def test_latest_is_no_run_that_is_being_measured(tmp_path: Path):
    said: list[str] = []
    store = FileStore(tmp_path, said.append)
    keep(tmp_path, a_run(run_id="first"), a_run(run_id="second"))
    lock = store.measuring("second")
    assert store.load("latest").header.run_id == "first"
    assert said[0].startswith("run second is not finished, process ")
    lock.release()
    assert store.load("latest").header.run_id == "second"
