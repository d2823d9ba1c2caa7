"""Several runners, one store, and clocks that are wrong: which run is judged after a measurement."""

import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.builders import a_case, a_run
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
