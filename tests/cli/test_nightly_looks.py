"""`ssdbench nightly` against known sessions: one launch of each case, and more of those that may have changed."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.running import records_so_far
from tests.nights import Nights

SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 2
steps = 10
launches = 3

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { fetch_seconds = 0.001 }

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { fetch_seconds = 0.002 }

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { fetch_seconds = 0.003 }

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { fetch_seconds = 0.004 }
"""


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path, SUITE, cache=tmp_path / "cache")


def python_with_sessions(nights: Nights) -> tuple[str, str]:
    """The options of a night whose baseline has five sessions."""
    python = ("--python", nights.use_scripted_python())
    for _ in range(5):
        assert nights.ssdbench("run", "paced.toml", *python).returncode == 0
    runs = [header.run_id for header in FileStore(nights.folder / "results").headers()]
    done = nights.ssdbench("baseline", "accept", *runs, "--reason", "five sessions")
    assert done.returncode == 0, done.stderr
    return python


def launches(nights: Nights, run_id: str) -> list[int]:
    """How many launches of each case a run has."""
    run = FileStore(nights.folder / "results").load(run_id)
    return sorted(Counter(record.case.key for record in run.records).values())


@pytest.mark.slow
def test_one_launch_clears_a_case_and_what_it_leaves_open_gets_the_others_then_pairs(nights: Nights) -> None:
    python = python_with_sessions(nights)
    planned = nights.ssdbench("nightly", "paced.toml", *python, "--dry-run")
    assert "4 cases, 4 launches" in planned.stdout, planned.stdout + planned.stderr

    code, verdicts, said = nights.night(*python)
    assert (code, sorted(verdicts)) == (ExitCode.OK, ["screened"] * 3 + ["unchanged"]), said
    assert "1 of 4 cases stayed within 1% or improved; 3 screened: no sign of a slowdown of 1%" in said
    assert "pairs with the build of main: 1 case (1 whose turn it is)" in said
    night = nights.results()[-1]
    assert launches(nights, night["run_id"]) == [1, 1, 1, 1]
    assert nights.compared(night["run_id"]) == nights.latest()

    nights.slow_down(1.03)
    code, verdicts, said = nights.night(*python)
    assert (code, verdicts) == (ExitCode.REGRESSED, ["regressed"] * 4), said
    assert "pairs with the build of main: 4 cases (4 may have changed)" in said
    assert launches(nights, nights.results()[-1]["run_id"]) == [3, 3, 3, 3]

    nights.slow_down(1)
    code, verdicts, said = nights.night(*python)
    assert (code, verdicts) == (ExitCode.OK, ["unchanged"] * 4), said
    assert "4 cases (4 not well or without a verdict last time)" in said
    assert launches(nights, nights.results()[-1]["run_id"]) == [1, 1, 1, 1]

    accepted = nights.ssdbench("baseline", "accept", nights.results()[0]["run_id"], "--reason", "one more session")
    assert accepted.returncode == 0, accepted.stderr


@pytest.mark.slow
def test_a_night_without_a_build_for_pairs_measures_every_launch_of_the_suite(nights: Nights) -> None:
    python = python_with_sessions(nights)
    with (nights.checkout / "ssdbench" / "errors.py").open("a") as file:
        file.write("# another build\n")
    nights.commit("what is here now")
    nights.git("update-ref", "-d", "HEAD")
    nights.git("reflog", "expire", "--expire=now", "--all")
    nights.git("gc", "--quiet", "--prune=now")
    code, verdicts, said = nights.night(*python)
    assert "main cannot be measured again here" in said
    assert (code, verdicts) == (ExitCode.OK, ["unchanged"] * 4), said
    assert launches(nights, nights.latest()["run_id"]) == [3, 3, 3, 3]


@pytest.mark.slow
def test_a_night_that_is_killed_between_the_looks_goes_on_there(nights: Nights) -> None:
    python = python_with_sessions(nights)
    nights.slow_down(1.03)
    before = nights.latest()["run_id"]
    slow = nights.environment | {"SCRIPTED_SECONDS": "0.5"}
    command = [sys.executable, "-m", "ssdbench", "nightly", "paced.toml", *python]
    with subprocess.Popen(command, cwd=nights.folder, env=slow, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len(now := records_so_far(nights.folder / "results")) < 6 or now[0].run_id == before:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "it did not get so far"
            time.sleep(0.05)
        process.kill()
    done = nights.ssdbench("nightly", "--resume")
    assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr
    assert launches(nights, nights.results()[-1]["run_id"]) == [3, 3, 3, 3]
    assert nights.verdicts() == ["regressed"] * 4
