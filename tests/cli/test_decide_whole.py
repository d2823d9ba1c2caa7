"""Deciding runs, whole: added launches, a budget, an interruption, a stored run's own environment. Real launches."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.runner import _order
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from tests.cli.conftest import Ssdbench, Start
from tests.cli.running import records_so_far
from tests.paced import write_paced

REPOSITORY = Path(__file__).parents[2]


def latest(tmp_path: Path) -> Run:
    return FileStore(tmp_path / "results").load("latest")


@pytest.fixture
def paced(tmp_path: Path) -> str:
    return write_paced(tmp_path)


@pytest.fixture
def faster(tmp_path: Path) -> Path:
    """A checkout in which a step takes a tenth of its time: so much that no noise of the machine hides it."""
    source = tmp_path / "faster" / "ssdbench"
    shutil.copytree(REPOSITORY / "ssdbench", source, ignore=shutil.ignore_patterns("__pycache__"))
    pace = source / "workloads" / "pace.py"
    text = pace.read_text()
    assert "time.sleep(self._step_seconds)" in text
    pace.write_text(text.replace("time.sleep(self._step_seconds)", "time.sleep(self._step_seconds / 10)"))
    return source.parent


def cases_of(outcome: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(outcome.stdout)["cases"]
    return cases


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *author, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.long
def test_launches_are_added_until_a_stored_run_can_decide_or_cannot(
    ssdbench: Ssdbench, tmp_path: Path, paced: str, faster: Path, environment: dict[str, str]
) -> None:
    here = environment.get("PYTHONPATH", str(REPOSITORY))
    environment["PYTHONPATH"] = str(faster)
    write_paced(tmp_path, pilot_pairs=3)
    done = ssdbench("run", paced, "--launches", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    environment["PYTHONPATH"] = here
    stored = latest(tmp_path).header

    # One launch is planned, two are added, and a fourth would have no partner.
    decided = ssdbench("run", paced, "--until-decided", "--baseline", stored.run_id)
    assert decided.returncode == ExitCode.REGRESSED, decided.stdout + decided.stderr
    run = latest(tmp_path)
    assert [(record.launch, record.arm, record.stage) for record in run.records] == [
        (launch, "candidate", "measure") for launch in range(3)
    ]
    assert run.header.options.until_decided == stored.run_id
    (verdict,) = cases_of(ssdbench("compare", "latest", "--json"))
    assert verdict["verdict"]["status"] == "regressed"
    assert "more than the 5% that one build may drift between sessions" in verdict["verdict"]["sentence"]
    assert "no unfinished run" in ssdbench("run", "--resume").stderr

    # The environment of the stored run still exists: it measures as the baseline. Then it is changed, and goes away.
    own = ("run", paced, "--decide", "--baseline-run", stored.run_id, "--budget", "0s")
    assert ssdbench(*own).returncode == ExitCode.NOT_COVERED
    baseline_arm = latest(tmp_path).header.baseline_arm
    assert baseline_arm is not None
    assert baseline_arm.source == str(faster)
    git(faster, "init", "--quiet")
    git(faster, "add", "--all")
    git(faster, "commit", "--quiet", "--message", "later")
    changed = ssdbench(*own)
    assert changed.returncode == ExitCode.ENVIRONMENT
    assert f"{faster} is now at " in changed.stderr
    assert changed.stderr.count("\n") == 1
    faster.rename(tmp_path / "elsewhere")
    gone = ssdbench(*own)
    assert gone.returncode == ExitCode.ENVIRONMENT
    assert f"the environment of run {stored.run_id} no longer exists here" in gone.stderr
    assert gone.stderr.count("\n") == 1


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_interrupted_run_of_pairs_says_what_is_undecided_and_goes_on_where_it_stopped(
    start: Start, ssdbench: Ssdbench, tmp_path: Path, paced: str
) -> None:
    process = start("run", paced, "--decide", "--baseline-checkout", str(REPOSITORY))
    deadline = time.monotonic() + 200
    while len(records_so_far(tmp_path / "results")) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    before = latest(tmp_path)

    out_of_time = ssdbench("run", "--resume", "--budget", "0s")
    assert out_of_time.returncode == ExitCode.INCONCLUSIVE, out_of_time.stdout + out_of_time.stderr
    words = " ".join(out_of_time.stdout.split())
    assert "3 launches measured before" in words
    assert "1 launch not measured" in words
    (undecided,) = cases_of(ssdbench("compare", "latest", "--json"))
    assert "a verdict needs at least 2 on each side" in undecided["verdict"]["sentence"]
    assert undecided["notes"] == [
        f"undecided: the plan asks for 1 more pair, continue with `ssdbench run --resume --run {before.header.run_id}`"
    ]
    assert f"continue with `ssdbench run --resume --run {before.header.run_id}`" in words
    assert latest(tmp_path).records == before.records
    refused = ssdbench("baseline", "accept", "latest", "--reason", "too early")
    assert refused.returncode == ExitCode.USAGE
    assert "its verdict rule asks for more pairs; finish it with `ssdbench run --resume" in refused.stderr

    resumed = ssdbench("run", "--resume")
    assert resumed.returncode in (ExitCode.OK, ExitCode.INCONCLUSIVE), resumed.stdout + resumed.stderr
    assert "decided, " in resumed.stdout
    run = latest(tmp_path)
    assert run.records[:3] == before.records
    assert len(run.records) >= 4  # a busy machine may take more
    key = run.records[0].case.key
    drawn = [(arm, pair) for pair in (0, 1) for arm in _order(run.header.plan.seed, key, "measure", pair)]
    assert [(record.arm, record.launch) for record in run.records][:4] == drawn

    # Its candidate may become a baseline, with which a later run can be compared.
    assert ssdbench("baseline", "accept", "latest", "--reason", "measured in pairs").returncode == 0
    assert ssdbench("baseline", "verify").returncode == 0
    again = ssdbench("compare", "latest", "--baseline", "main")
    assert "which is this run itself" in again.stdout


def test_options_that_do_not_go_together_are_refused_in_one_sentence(ssdbench: Ssdbench, paced: str) -> None:
    for arguments, sentence in (
        (
            ("--baseline-checkout", "x"),
            "--baseline-checkout chooses what measures as the baseline: give it with --decide",
        ),
        (("--baseline", "main"), "--baseline names what --compare or --until-decided compares with"),
        (("--decide", "--until-decided", "--baseline-python", "x"), "give one of them"),
        (("--decide", "--baseline-run", "x", "--baseline-python", "y"), "--baseline-run names a whole environment"),
        (("--decide", "--baseline-checkout", str(REPOSITORY), "--launches", "4"), "omit --launches"),
        (("--until-decided",), "results has no baseline that could decide"),
        (("--until-decided", "--baseline", "nightly"), "no run 'nightly'"),
        (("--resume", "--decide", "--baseline-checkout", str(REPOSITORY)), "omit --decide and --until-decided"),
    ):
        refused = ssdbench("run", paced, *arguments)
        assert refused.returncode == ExitCode.USAGE, arguments
        assert sentence in refused.stderr
        assert refused.stderr.count("\n") == 1
