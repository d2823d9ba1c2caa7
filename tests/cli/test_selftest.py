"""`ssdbench selftest`: it passes here, it leaves nothing behind, and it fails where a check is disabled."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.planted_source import Plant, plant_source
from ssdbench.harness.process import SOURCE
from ssdbench.report.selftest import line_of
from ssdbench.schema.case import WORKLOADS
from ssdbench.schema.selftest import Demand, Found, PlantResult
from ssdbench.schema.verdict import Status
from ssdbench.workflows.selftest.plants import NAMES
from tests.cli.running import ssdbench


def self_test(folder: Path, *options: str, source: Path = SOURCE) -> "subprocess.CompletedProcess[str]":
    """The self-test of a source, with its temporary files in this folder."""
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(source), "COLUMNS": "200"}
    environment["SSDBENCH_CACHE"] = str(folder / "cache")
    command = [sys.executable, "-m", "ssdbench", "selftest", "--quick", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quick_self_test_passes_here_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = self_test(tmp_path, "--json")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    test = json.loads(done.stdout)
    assert tuple(plant["name"] for plant in test["plants"]) == NAMES
    assert not [plant for plant in test["plants"] if plant["problems"] or plant["not_planted"]]
    assert {plant["way"] for plant in test["plants"][:8]} == {"processes"}
    (change,) = test["smallest_changes"]
    assert 0 < change["in_budget"] < change["measured"]
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert not list((tmp_path / "temporary").iterdir())


DISABLED = {
    "other-process": (
        "harness/machine/validity.py",
        "if node.foreign_cores is not None and node.foreign_cores > limit:",
        "if False:",
    ),
    "one-rank": ("worker/reduction.py", "wall_seconds=max(", "wall_seconds=min("),
    "reversed-slower": (
        "analysis/verdicts/contrast.py",
        "return math.log(value) if metric.direction is Direction.LOWER_IS_BETTER else -math.log(value)",
        "return -math.log(value)",
    ),
    "regressed-and-failed": (
        "analysis/verdicts/compare.py",
        "    if statuses & _WORSE:\n        return ExitCode.REGRESSED\n    if Status.FAILED in statuses:\n"
        "        return ExitCode.CASE_FAILED\n",
        "    if Status.FAILED in statuses:\n        return ExitCode.CASE_FAILED\n    if statuses & _WORSE:\n"
        "        return ExitCode.REGRESSED\n",
    ),
    "noise": (
        "analysis/verdicts/interleaved.py",
        "if is_within(contrast, settings) and name not in state.open_by_ranks:",
        "if True:",
    ),
    "nan": ("worker/loop.py", "if not math.isfinite(value):", "if False:"),
    "other-hardware": ("analysis/differences.py", '"hardware": record.hardware.key,', '"hardware": "",'),
}
"""By the plant that sees it: a check of the source, and what takes its place."""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_self_test_fails_where_checks_are_disabled_and_names_the_plants(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE / "ssdbench", source / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in DISABLED.values():
        path = source / "ssdbench" / file
        text = path.read_text(encoding="utf-8")
        assert old in text, file
        path.write_text(text.replace(old, new), encoding="utf-8")
    done = self_test(tmp_path, source=source)
    assert done.returncode == ExitCode.SELF_TEST, done.stdout + done.stderr
    failed = {line.split()[3] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert set(DISABLED) <= failed
    assert "SELF-TEST FAILED: pace · " in done.stdout


def test_every_check_that_a_test_disables_is_still_there() -> None:
    for file, old, new in DISABLED.values():
        text = (SOURCE / "ssdbench" / file).read_text(encoding="utf-8")
        assert old in text, file
        compile(text.replace(old, new), file, "exec")


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_fault_can_be_planted_into_every_workload_of_a_copy_alone(tmp_path: Path, workload: str) -> None:
    planted = plant_source(tmp_path / "copy", workload, Plant(fault="step", share=0.5, rank=1)) / "ssdbench/workloads"
    text = (planted / f"{workload}.py").read_text(encoding="utf-8")
    assert text.startswith((SOURCE / "ssdbench/workloads" / f"{workload}.py").read_text(encoding="utf-8"))
    compile(text, workload, "exec")
    compile((planted / "planted.py").read_text(encoding="utf-8"), "planted", "exec")
    assert not (SOURCE / "ssdbench/workloads/planted.py").exists()


def test_a_read_only_installation_has_a_copy_that_can_be_changed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = tmp_path / "installed" / "ssdbench" / "workloads" / "pace.py"
    workload.parent.mkdir(parents=True)
    workload.write_text("def open_workload(context): ...\n")
    workload.chmod(0o444)
    workload.parent.chmod(0o555)
    monkeypatch.setattr("ssdbench.harness.planted_source.SOURCE", tmp_path / "installed")
    planted = plant_source(tmp_path / "copy", "pace", Plant(fault="hang"))
    found = [path for path in planted.rglob("*") if not path.stat().st_mode & stat.S_IWUSR]
    workload.parent.chmod(0o755)
    assert not found


def test_an_unknown_plant_is_refused_with_the_names_of_all() -> None:
    found = ssdbench("selftest", "--plant", "stepp")
    assert found.code == ExitCode.USAGE
    assert "there is no plant 'stepp': did you mean 'step'?" in found.err
    assert ssdbench("selftest", "--margin", "2").code == ExitCode.USAGE


def test_a_plant_that_was_not_seen_says_what_was_demanded_and_what_came() -> None:
    result = PlantResult(
        name="step",
        subject="pace",
        fault="a step is slower",
        way="processes",
        demand=Demand(statuses=(Status.REGRESSED,), exit_codes=(3,), says=("sleep has +",)),
        found=Found(status=Status.UNCHANGED, exit_code=0, validity="valid", said="the same"),
        problems=("the verdict is unchanged, not regressed",),
    )
    assert line_of(result) == (
        "pace · step (processes: a step is slower): demanded regressed, exit code 3, launches valid, “sleep has +”; "
        "came unchanged, exit code 0, launches valid: the verdict is unchanged, not regressed; said was: the same"
    )
