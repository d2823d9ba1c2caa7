"""`ssdbench run --decide`, whole: pairs of real launches, planned by the rule, judged when it asks for no more."""

import json
import shutil
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench

REPOSITORY = Path(__file__).parents[2]
PACE = (
    *("run", "--decide", "--workload", "pace", "--warmup", "0", "--steps", "10", "--margin", "0.1"),
    *("--foreign-cpu", "64"),
)


@pytest.fixture
def faster_baseline(tmp_path: Path) -> Path:
    """A checkout in which batches of 2 take 0.07 s a step: against it, ours is 43 % slower there and nowhere else."""
    source = tmp_path / "checkout" / "ssdbench"
    shutil.copytree(REPOSITORY / "ssdbench", source, ignore=shutil.ignore_patterns("__pycache__"))
    pace = source / "workloads" / "pace.py"
    text = pace.read_text()
    slept = "time.sleep(self._step_seconds)"
    assert slept in text
    pace.write_text(text.replace(slept, "time.sleep(self._step_seconds * (0.7 if batch == 2 else 1.0))"))
    return source.parent


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_planted_slowdown_is_regressed_and_an_equal_build_is_not(
    ssdbench: Ssdbench, tmp_path: Path, faster_baseline: Path
) -> None:
    # Begun inside a checkout, as developers do: the working directory must not decide what either arm imports.
    where = ("--results", str(tmp_path / "results"))
    asked = (*PACE, "--batch-size", "1,2", "--baseline-checkout", str(faster_baseline), *where)
    done = ssdbench(*asked, cwd=REPOSITORY)
    assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr

    judged = ssdbench("compare", "latest", "--json")
    assert judged.returncode == ExitCode.REGRESSED
    verdicts = {case["title"]: case["verdict"] for case in json.loads(judged.stdout)["cases"]}
    slow = next(verdict for title, verdict in verdicts.items() if "batch 2" in title)
    equal = next(verdict for title, verdict in verdicts.items() if "batch 1" in title)
    assert slow["status"] == "regressed"
    assert slow["change"] == pytest.approx(-0.3, abs=0.03)  # throughput falls to 0.7
    assert slow["low"] <= slow["change"] <= slow["high"] < 0
    assert equal["status"] in ("unchanged", "inconclusive")

    run = FileStore(tmp_path / "results").load("latest")
    assert run.header.baseline_arm is not None
    places = {(record.case.batch_size_per_gpu, record.stage, record.arm) for record in run.records}
    assert {(2, "confirm", "baseline"), (2, "confirm", "candidate")} <= places
    assert not any(batch_size == 1 and stage == "confirm" for batch_size, stage, _ in places)
    for batch_size in (1, 2):
        arms = [record.arm for record in run.records if record.case.batch_size_per_gpu == batch_size]
        assert arms.count("baseline") == arms.count("candidate") >= 3


def test_a_baseline_that_cannot_run_is_one_sentence(ssdbench: Ssdbench, tmp_path: Path) -> None:
    nothing = ssdbench(*PACE)
    assert nothing.returncode == ExitCode.USAGE
    assert "--baseline-python, --baseline-checkout or --baseline-run" in nothing.stderr
    empty = ssdbench(*PACE, "--baseline-checkout", str(tmp_path))
    assert empty.returncode == ExitCode.USAGE
    assert "has no ssdbench" in empty.stderr
    missing = ssdbench(*PACE, "--baseline-python", "/no/such/python")
    assert missing.returncode == ExitCode.ENVIRONMENT
    assert "/no/such/python" in missing.stderr
    budget = ssdbench(*PACE, "--baseline-checkout", str(REPOSITORY), "--budget", "soon")
    assert budget.returncode == ExitCode.USAGE
    assert "write 90s, 30m or 2h" in budget.stderr
