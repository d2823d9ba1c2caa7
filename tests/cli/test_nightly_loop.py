"""Thirty calls of `ssdbench nightly` with real launches of `pace`, 3 % slower from the 12th on and until the 19th."""

from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.nights import Nights

SLOWER_FROM, AS_BEFORE_FROM, NIGHTS = 12, 20, 30
SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 1
steps = 20
launches = 1

[verdict]
margin = 0.02

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { step_seconds = 0.1 }
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_slowdown_is_told_in_the_call_that_meets_it_and_recovery_as_well(tmp_path: Path, cache: Path) -> None:
    nights = Nights(tmp_path, SUITE, cache=cache)
    statuses: dict[int, str] = {}
    codes: dict[int, int] = {}
    for night in range(1, NIGHTS + 1):
        if night in (SLOWER_FROM, AS_BEFORE_FROM):
            nights.slow_down(1.03 if night == SLOWER_FROM else 1)
        codes[night], (statuses[night],), said = nights.night("--red-after", "100")
        if night == 1:
            assert codes[night] == ExitCode.NOT_COVERED, said
            accepted = nights.ssdbench("baseline", "accept", "latest", "--reason", "first figures")
            assert accepted.returncode == 0, accepted.stderr
        if night in (2, SLOWER_FROM + 1, AS_BEFORE_FROM + 1):
            itself = nights.ssdbench("nightly", "paced.toml", "--a-a")
            assert itself.returncode == ExitCode.OK, itself.stdout + itself.stderr
    slower = range(SLOWER_FROM, AS_BEFORE_FROM)
    assert statuses[SLOWER_FROM] == "regressed", statuses
    assert codes[SLOWER_FROM] == ExitCode.REGRESSED
    assert statuses[AS_BEFORE_FROM] == "unchanged", statuses
    assert {statuses[night] for night in slower} <= {"regressed", "inconclusive"}, statuses
    others = [status for night, status in statuses.items() if night > 1 and night not in slower]
    assert set(others) <= {"unchanged", "inconclusive"}, statuses
    assert others.count("unchanged") > len(others) / 2, statuses
    kept = nights.results()
    assert [result["exit_code"] for result in kept if not result["against_itself"]] == list(codes.values())
    assert not [case for r in kept if r["against_itself"] for case in r["cases"] if case["status"] == "regressed"]
