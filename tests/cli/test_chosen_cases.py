"""A run of some cases of a suite: the others are neither missed by `compare` nor lost from the baseline."""

import json
from pathlib import Path

from ssdbench.errors import ExitCode
from tests.cli.running import ssdbench

SUITE = """
name = "two"
device = "cpu"
foreign_cpu_limit_cores = 1000.0
protocol = { warmup_steps = 1, steps = 5, launches = 3, timeout_seconds = 100 }
[[matrix]]
workload = "pace"
batch_size_per_gpu = [1, 2]
options = { step_seconds = 0.002 }
"""


def test_one_case_is_repeated_and_the_others_are_no_gap_and_stay_in_the_baseline(tmp_path: Path) -> None:
    suite = tmp_path / "two.toml"
    suite.write_text(SUITE)
    there = ("--results", tmp_path / "results")
    assert ssdbench("run", suite, "--no-ceilings", *there).code == ExitCode.OK
    assert ssdbench("baseline", "accept", "latest", "--reason", "first", *there).code == ExitCode.OK
    repeated = ssdbench("run", suite, "--no-ceilings", "--case", "bs2", *there)
    assert repeated.code == ExitCode.OK, repeated.err
    compared = ssdbench("compare", "latest", "--json", *there)
    statuses = {case["title"]: case["verdict"]["status"] for case in json.loads(compared.out)["cases"]}
    # One stored session clears nothing; without --case the other one would be a gap, which goes before that.
    assert sorted(statuses.values()) == ["inconclusive", "left_out"], statuses
    assert compared.code == ExitCode.INCONCLUSIVE
    shown = ssdbench("compare", "latest", *there)
    assert "left out by --case: 1 case of the baseline" in shown.out
    assert "batch 1" not in shown.out
    refused = ssdbench("baseline", "accept", "latest", "--reason", "faster", *there)
    assert refused.code == ExitCode.USAGE
    assert "bs1" in refused.err
    assert "--case" in refused.err
    kept = ssdbench("baseline", "accept", "latest", "--reason", "faster", "--case", "bs2", "--allow-regression", *there)
    assert kept.code == ExitCode.OK, kept.err
    assert "unchanged: 1 case of earlier runs" in kept.out
