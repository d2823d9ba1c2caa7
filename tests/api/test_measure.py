"""`ssdbench.measure` measures for real and stores what it returns; a lab reads it back."""

from pathlib import Path

import pytest

import ssdbench
from ssdbench.errors import SsdbenchError, UsageError

SUITE = """
name = "tiny"
foreign_cpu_limit_cores = 1000

[protocol]
warmup_steps = 1
steps = 4
launches = 2

[[matrix]]
workload = ["pace"]
world_size = [1]
batch_size_per_gpu = [2]
options = { step_seconds = 0.001 }
"""


def test_a_suite_is_planned_launched_stored_and_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.toml").write_text(SUITE)
    said: list[str] = []
    run = ssdbench.measure(tmp_path / "tiny.toml", results=tmp_path / "results", progress=said.append)
    lab = ssdbench.open(tmp_path / "results")
    assert lab.runs() == [run.header.run_id]
    launches = lab.launches(run=run)
    assert len(launches) == len(run.records) == 2
    assert launches["usable"].all()
    assert lab.launches(suite="tiny").equals(launches)
    assert len(lab.steps(run)) == 2 * 5
    assert [text.split(":")[0] for text in said] == ["launch 1 of 2", "launch 2 of 2"]
    assert "global throughput" in said[0]


def test_a_suite_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no-such-suite"):
        ssdbench.measure("no-such-suite", results=tmp_path)


def test_a_suite_that_trains_for_accuracy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SsdbenchError, match="trains for accuracy: use `ssdbench converge`"):
        ssdbench.measure("convergence-smoke", results=tmp_path)
    assert not (tmp_path / "records").exists()
