"""`ssdbench plan` says once why cases are skipped, and which."""

import json
from pathlib import Path

import pytest

from tests.cli.running import ssdbench

SUITE = """
name = "q"
device = "cpu"
[[matrix]]
workload = "pace"
world_size = [1, 100_000]
batch_size_per_gpu = [1, 2]
[[matrix]]
workload = "train"
precision = "amp"
"""


def test_a_reason_is_given_once_with_the_cases_that_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "q.toml").write_text(SUITE)
    outcome = ssdbench("plan", tmp_path / "q.toml", "--results", tmp_path, columns=200)
    assert outcome.code == 0, outcome.err
    reason, *titles, alone = [line for line in outcome.out.splitlines() if line.startswith(("skipped", "     "))]
    assert reason.startswith("skipped  2 cases: needs a CPU for each of 100000 processes")
    assert [title.strip() for title in titles] == ["pace · 100000 proc × batch 1", "pace · 100000 proc × batch 2"]
    assert alone == "skipped  train resnet50 dali amp · 1 proc × batch 32: amp needs a GPU"
    assert "2 cases, 6 launches, 3 skipped" in outcome.out


def test_a_suite_of_which_nothing_can_be_measured_is_one_line(tmp_path: Path) -> None:
    outcome = ssdbench("plan", "nightly", "--results", tmp_path, columns=400)
    if "needs a GPU" not in outcome.out:
        pytest.skip("this machine has a GPU")
    (reason,) = [line for line in outcome.out.splitlines() if line.startswith("skipped")]
    assert reason.startswith("skipped  all 50 cases: needs a GPU, and ")
    assert len(outcome.out.splitlines()) == 3


def test_a_plan_of_some_cases_has_their_keys_and_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "q.toml").write_text(SUITE)
    asked = ("plan", tmp_path / "q.toml", "--results", tmp_path)

    def keys(*more: str) -> list[str]:
        return [case["case_key"] for case in json.loads(ssdbench(*asked, "--json", *more).out)["cases"]]

    every = keys()
    assert keys("--case", "BS2 pace") == [every[1], every[3]]
    assert keys("--case", every[0], "--case", "train") == [every[0], every[4]]
    assert keys("--case", "00x") == [every[2], every[3]]  # a part of a word
    for pattern in ("infer", ""):
        wrong = ssdbench(*asked, "--case", pattern)
        assert wrong.code == 2
        assert wrong.err.startswith(
            f"ssdbench: --case '{pattern}' fits no case of q; there are pace-fp32-channels_last"
        )
        assert wrong.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["run", "converge"])
def test_a_resumed_run_keeps_its_cases(tmp_path: Path, verb: str) -> None:
    refused = ssdbench(verb, "--resume", "--case", "pace", "--results", tmp_path)
    assert refused.code == 2
    assert refused.err == "ssdbench: --resume continues the run with the cases that it has: omit --case\n"


def test_a_plan_has_the_time_for_the_ceilings_where_the_model_is_measured(tmp_path: Path) -> None:
    grid = ("plan", "--workload", "infer", "--device", "cpu", "--pipeline", "resident", "--results", tmp_path, "--json")
    measured, omitted = (json.loads(ssdbench(*grid, *more).out) for more in ((), ("--no-ceilings",)))
    assert measured["ceilings_seconds"] > 0
    assert measured["predicted_seconds"] == omitted["predicted_seconds"] + measured["ceilings_seconds"]
    (tmp_path / "q.toml").write_text(SUITE)
    paced = json.loads(ssdbench("plan", tmp_path / "q.toml", "--results", tmp_path, "--json").out)
    assert omitted["ceilings_seconds"] == paced["ceilings_seconds"] == 0
    assert "First the highest rates of the device are measured: ~" in ssdbench(*grid[:-1]).out
