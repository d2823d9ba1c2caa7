"""Thirty calls of `ssdbench nightly` with real launches of `pace`, 3 % slower from the 12th on and until the 19th.

The slowdown is waived from the 17th on. Every call is followed by `ssdbench notify`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.nights import Nights
from tests.receiver import Receiver

SLOWER_FROM, WAIVED_FROM, AS_BEFORE_FROM, NIGHTS = 12, 17, 20, 30
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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


def waive(nights: Nights) -> None:
    words = ("--ceiling", "10%", "--expires", "2099-12-31", "--issue", "https://example.org/7", "--reason", "known")
    done = nights.ssdbench("waive", "pace", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_slowdown_is_told_in_the_call_that_meets_it_and_recovery_as_well(
    tmp_path: Path, cache: Path, receiver: Receiver
) -> None:
    nights = Nights(tmp_path, SUITE, cache=cache)
    nights.environment["TEAM"] = receiver.url
    titles: dict[int, list[str]] = {}
    statuses: dict[int, str] = {}
    codes: dict[int, int] = {}
    for night in range(1, NIGHTS + 1):
        if night in (SLOWER_FROM, AS_BEFORE_FROM):
            nights.slow_down(1.03 if night == SLOWER_FROM else 1)
        if night == WAIVED_FROM:
            waive(nights)
        codes[night], (statuses[night],), output = nights.night("--red-after", "100")
        told = len(receiver.bodies)
        sent = nights.ssdbench("notify", "latest", "--to", "env:TEAM")
        assert sent.returncode == ExitCode.OK, sent.stderr
        if len(receiver.bodies) > told:
            titles[night] = [message["title"] for message in receiver.messages[told:]]
        if night == 1:
            assert codes[night] == ExitCode.NOT_COVERED, output
            accepted = nights.ssdbench("baseline", "accept", "latest", "--reason", "first figures")
            assert accepted.returncode == 0, accepted.stderr
        if night in (2, SLOWER_FROM + 1, AS_BEFORE_FROM + 1):
            itself = nights.ssdbench("nightly", "paced.toml", "--a-a")
            assert itself.returncode == ExitCode.OK, itself.stdout + itself.stderr
            assert nights.ssdbench("notify", "latest", "--to", "env:TEAM").stdout == "no news\n"
    slower = range(SLOWER_FROM, WAIVED_FROM)
    waived = range(WAIVED_FROM, AS_BEFORE_FROM)
    assert statuses[SLOWER_FROM] == "regressed", statuses
    assert codes[SLOWER_FROM] == ExitCode.REGRESSED
    assert statuses[AS_BEFORE_FROM] == "unchanged", statuses
    assert {statuses[night] for night in slower} <= {"regressed", "inconclusive"}, statuses
    assert {statuses[night] for night in waived} <= {"waived", "inconclusive"}, statuses
    assert "waived" in {statuses[night] for night in waived}, statuses
    assert {codes[night] for night in waived} == {ExitCode.OK}
    assert "is no longer needed" in nights.ssdbench("compare", "latest").stdout
    others = [status for night, status in statuses.items() if night > 1 and night not in (*slower, *waived)]
    assert set(others) <= {"unchanged", "inconclusive"}, statuses
    assert others.count("unchanged") > len(others) / 2, statuses
    kept = nights.results()
    assert [result["exit_code"] for result in kept if not result["against_itself"]] == list(codes.values())
    assert not [case for r in kept if r["against_itself"] for case in r["cases"] if case["status"] == "regressed"]

    said = [title.partition(" on ")[0] for told in titles.values() for title in told]
    # A waiver closes it, and does not say that the case recovered.
    assert said == ["ssdbench: 1 regressed", "ssdbench: 1 waived"], titles
    opened, closed = titles
    assert opened == SLOWER_FROM
    assert closed in waived
