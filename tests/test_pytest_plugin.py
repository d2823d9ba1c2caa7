"""The pytest plugin as a team meets it: pytest in a process of its own, torchrun below it, JUnit read back."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from junitparser import JUnitXml

from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.suite import load_suite
from ssdbench.harness.waiver_file import entry_text
from ssdbench.schema.case import Case
from ssdbench.schema.verdict import Baseline
from tests.builders import a_run, stored_sessions

# pytest's own and this plugin: the same whether the environment has the plugin installed or not.
PLUGIN = ("-p", "ssdbench.pytest_plugin", "-p", "no:cacheprovider")
SUITE = """
name = "tiny"
device = "cpu"
foreign_cpu_limit_cores = 64.0
protocol = { warmup_steps = 1, steps = 5, launches = 1, timeout_seconds = 100 }
[[matrix]]
workload = "pace"
batch_size_per_gpu = 1
options = { step_seconds = 0.05 }
protocol = { launches = 2 }
[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { step_seconds = 0.05 }
[[matrix]]
workload = "pace"
batch_size_per_gpu = 8
protocol = { timeout_seconds = 0.5 }
[[matrix]]
workload = "infer"
pipeline = "resident"
precision = "tf32"
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "tiny.toml").write_text(SUITE)

    def pytest_with(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SSDBENCH_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", "pytest", *PLUGIN, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return pytest_with


def a_stored_baseline(*cases: tuple[Case, float]) -> Baseline:
    """Five sessions of this machine of these cases, each with its seconds a step, measured today."""
    hardware, now = probe_machine().hardware, datetime.now(timezone.utc).isoformat()
    found = stored_sessions(a_run(*((case, (seconds,)) for case, seconds in cases), hardware=hardware))
    records = []
    for record in found.records:
        assert record.measurement is not None
        records.append(replace(record, dataset=None, measurement=replace(record.measurement, started_at=now)))
    return replace(found, records=tuple(records))


@pytest.mark.slow
@pytest.mark.long
def test_creep_is_reported_and_fails_a_test_only_where_that_is_asked_for(run: Run, tmp_path: Path):
    ours = next(case for case in planned(tmp_path / "tiny.toml") if case.batch_size_per_gpu == 1)
    store = FileStore(tmp_path / "stored")
    store.save_baseline(a_stored_baseline((ours, 0.2)))
    older = a_stored_baseline((ours, 0.01))
    store.save_anchor(replace(older, records=tuple(replace(r, id=f"older/{r.id}") for r in older.records)))
    asked = ("--ssdbench-suite=tiny.toml", "--ssdbench-results=stored", "-k", "bs1- or creep", "-v")
    reported = run(*asked)
    assert reported.returncode == 0, reported.stdout
    sentence = "creep: 1 of 1 case worse by more than 1% since 2026-01-05 (run run-1, the anchor of main)"
    assert f"\n{sentence}" in reported.stdout
    gated = run(*asked, "--ssdbench-fail-on-creep")
    assert gated.returncode == 1
    assert re.search(r"^FAILED tiny.toml::creep", gated.stdout, re.M)
    assert gated.stdout.count(sentence) == 2


@pytest.mark.slow
@pytest.mark.long
def test_a_waived_case_is_an_expected_failure_and_waivers_to_put_right_are_told(run: Run, tmp_path: Path):
    ours = next(case for case in planned(tmp_path / "tiny.toml") if case.batch_size_per_gpu == 1)
    FileStore(tmp_path / "stored").save_baseline(a_stored_baseline((ours, 0.01)))
    entry = {"ceiling": "0.99", "expires": "2999-12-31", "issue": "https://e.org/7", "reason": "known"}
    waivers = tmp_path / "stored" / "waivers.toml"
    asked = ("--ssdbench-suite=tiny.toml", "--ssdbench-results=stored", "-k", "bs1-", "-v", "-rx")
    waivers.write_text("[[waiver]]\n")
    broken = run(*asked)
    assert broken.returncode != 0
    assert "key 'waiver.1.case' is missing" in broken.stdout + broken.stderr
    assert not (tmp_path / "stored" / "records").exists()
    waivers.write_text(entry_text({**entry, "case": ours.key}) + entry_text({**entry, "case": "gone"}))
    done = run(*asked)
    assert done.returncode == 0, done.stdout
    expected = rf"^XFAIL tiny.toml::{re.escape(ours.key)} - waived: .*see https://e.org/7: known"
    assert re.search(expected, done.stdout, re.M)
    assert "\nwaivers: waiver 2 ('gone') matches no case of this run: correct it, or remove it\n" in done.stdout


@pytest.mark.slow
def test_every_case_is_a_test_with_its_verdict(run: Run, tmp_path: Path):
    ours = {case.batch_size_per_gpu: case for case in planned(tmp_path / "tiny.toml") if case.workload == "pace"}
    vanished = replace(ours[1], batch_size_per_gpu=16)
    store = FileStore(tmp_path / "stored")
    # The launches take a little over 0.05 s a step: one case has become four times as fast. The other is five times
    # slower, of which one launch is no proof.
    store.save_baseline(a_stored_baseline((ours[1], 0.2), (ours[2], 0.01), (vanished, 0.1)))
    done = run("--ssdbench-suite=tiny.toml", "--ssdbench-results=stored", "--junitxml=j.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    suites = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    results = {case.name: case.result for suite in suites for case in suite}
    assert results.pop(ours[1].key) == []
    (undecided,) = results.pop(ours[2].key)
    assert type(undecided).__name__ == "Failure"
    assert undecided.text.startswith("inconclusive: pace · 1 proc × batch 2")
    assert "launches: 5 and 1" in undecided.text
    (crashed,) = results.pop(ours[8].key)
    assert type(crashed).__name__ == "Error"
    assert "not done after 0.5 s" in crashed.text
    (coverage,) = results.pop("coverage")
    assert "main has this case, the run does not plan it" in coverage.text
    ((name, (skipped,)),) = results.items()
    assert name.startswith("infer")
    assert "tf32" in skipped.message
    assert len(store.load("latest").records) == 4  # stored as any run is


def planned(suite: Path) -> list[Case]:
    from ssdbench.harness.machine.worker_python import inspect_python
    from ssdbench.harness.planning import make_plan

    plan = make_plan(load_suite(suite), probe_machine(), inspect_python(None), 1)
    return [item.case for item in plan.cases]


def test_cases_are_collected_without_measuring_and_without_torch(run: Run, tmp_path: Path):
    (tmp_path / "conftest.py").write_text(
        "import sys\ndef pytest_sessionfinish():\n"
        "    print('torch' in sys.modules, 'ssdbench.workflows.suite_gate' in sys.modules)\n"
    )
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    done = run("--ssdbench-suite=tiny.toml", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(names) == 5
    assert all(name.startswith("tiny.toml::") for name in names)
    assert "False True" in done.stdout
    assert not (tmp_path / "stored").exists()
    with_paths = run("--ssdbench-suite=tiny.toml", "--collect-only", "-q", "test_other.py")
    assert "test_other.py::test_other" in with_paths.stdout
    assert "tiny.toml::coverage" in with_paths.stdout


def test_without_the_option_the_plugin_does_and_imports_nothing(run: Run, tmp_path: Path):
    (tmp_path / "test_other.py").write_text(
        "import sys\ndef test_other():\n"
        "    ours = [name for name in sys.modules if name.startswith('ssdbench')]\n"
        "    assert ours == ['ssdbench', 'ssdbench.pytest_plugin']\n"
    )
    done = run("-q")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ssdbench-suite=no-such",), "no-such"),
        (
            ("--ssdbench-suite=tiny.toml", "--ssdbench-allow=regressed"),
            "--ssdbench-allow regressed: choose from inconcl",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_no_green(run: Run, arguments: tuple[str, ...], message: str):
    done = run(*arguments)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plugin_is_installed_with_the_package():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nssdbench = "ssdbench.pytest_plugin"\n' in text
