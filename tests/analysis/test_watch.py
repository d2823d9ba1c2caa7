"""What needs attention in the results of regular runs, and that a limit is what it says."""

import math
from dataclasses import replace

import pytest

from ssdbench.analysis.attention import chance_of_alarms
from ssdbench.analysis.watch import Watched, health_of
from ssdbench.schema.nightly import NightlyResult
from ssdbench.schema.verdict import Status
from ssdbench.schema.waivers import Waiver
from ssdbench.schema.watch import Health, Limits, Waiting
from tests.builders import HOST, a_header
from tests.nightly_results import KEY, a_case_of, a_result, day

OPEN = a_case_of(Status.INCONCLUSIVE)


def health(*results: NightlyResult, now: float = 10, limits: Limits | None = None, **changes: object) -> Health:
    watched = Watched(store="results", results=results, headers=())
    return health_of(replace(watched, **changes), limits or Limits(), day(now))  # type: ignore[arg-type]


def concerns(found: Health) -> list[str]:
    return [attention.concern for attention in found.attention]


def test_runs_that_reach_verdicts_need_no_attention() -> None:
    found = health(*(a_result(number) for number in range(10)))
    assert found.attention == ()
    (suite,) = found.suites
    assert (suite.runs, suite.judged, suite.inconclusive, suite.drift) == (10, 10, 0, None)
    assert [host.host for host in found.hosts] == ["bench"]


def test_a_store_without_a_result_needs_attention() -> None:
    assert concerns(health()) == ["nothing"]


@pytest.mark.parametrize(("runs", "is_told"), [(7, False), (8, True)])
def test_a_case_is_told_once_it_had_more_runs_without_a_verdict_than_the_limit(runs: int, is_told: bool) -> None:
    results = [a_result(0), *(a_result(1 + number, OPEN) for number in range(runs))]
    found = health(*results, now=runs + 1, limits=Limits(inconclusive_share=1))
    assert found.suites[0].cases[0].runs_without_verdict == runs
    assert ("no_verdict" in concerns(found)) is is_told
    if is_told:
        assert "8 runs since its last conclusive verdict; now it is inconclusive" in found.attention[0].sentence


def test_a_case_that_never_had_a_verdict_counts_all_its_runs_and_no_others() -> None:
    new = a_case_of(Status.NO_BASELINE, "infer-1")
    results = [a_result(0), a_result(1), *(a_result(number, a_case_of(), new) for number in (2, 3, 4))]
    worst = health(*results, now=5).suites[0].cases[0]
    assert (worst.case_key, worst.runs_without_verdict, worst.had_verdict) == ("infer-1", 3, False)


@pytest.mark.parametrize("status", [Status.REGRESSED, Status.WAIVED, Status.FAILED, Status.NO_LONGER_FITS])
def test_a_bad_verdict_is_a_verdict(status: Status) -> None:
    assert health(a_result(0, a_case_of(status)), now=1).suites[0].cases[0].runs_without_verdict == 0


def test_runs_since_a_case_was_judged_by_pairs_are_counted() -> None:
    pairs = a_case_of(confirmed_in_pairs=True, nominated="turn")
    (case,) = health(a_result(0, pairs), a_result(1), a_result(2), now=3).suites[0].cases
    assert (case.runs_without_pairs, case.had_pairs) == (2, True)


def test_a_case_that_was_planned_and_not_measured_is_told() -> None:
    found = health(a_result(0), a_result(1, a_case_of(Status.NOT_RUN)), now=2)
    assert concerns(found) == ["not_measured"]
    assert "planned and not measured in run-01" in found.attention[0].sentence


def test_the_share_of_inconclusive_is_that_of_the_last_runs_and_of_verdicts_alone() -> None:
    skipped = a_case_of(Status.SKIPPED, "detect-1")
    results = [*(a_result(n, OPEN) for n in range(20)), *(a_result(20 + n, a_case_of(), skipped) for n in range(10))]
    found = health(*results, now=30, limits=Limits(recent_runs=14, inconclusive_share=0.28))
    assert (found.suites[0].judged, found.suites[0].inconclusive) == (14, 4)
    assert concerns(found) == ["inconclusive"]
    assert health(*results, now=30, limits=Limits(recent_runs=14, inconclusive_share=0.29)).attention == ()
    assert "29% of the verdicts of the last 14 runs are inconclusive" in found.attention[0].sentence


def test_a_suite_and_a_host_that_are_not_heard_of_are_told_until_they_are_taken_for_retired() -> None:
    found = health(a_result(0), now=3.5)
    assert concerns(found) == ["suite", "host"]
    assert found.attention[0].sentence == "last measured 3 days ago (run-00): look at the job"
    retired = health(a_result(0), now=61)
    assert retired.attention == ()
    assert retired.suites[0].is_retired
    assert retired.hosts[0].is_retired


def test_a_host_is_heard_of_by_any_of_its_runs() -> None:
    host = replace(HOST, hostname="bench")
    header = a_header(created_at=day(9).isoformat(), host=host)
    result = a_result(0, hardware_key=header.hardware.key)
    assert "host" not in concerns(health(result, headers=(header,)))
    assert "host" in concerns(health(result, headers=(replace(header, host=replace(host, hostname="other")),)))


def test_a_date_that_cannot_be_read_is_told_and_not_taken_for_retired() -> None:
    found = health(a_result(0, measured_at="yesterday"))
    assert concerns(found) == ["suite", "host"]
    assert "an unknown time" in found.attention[0].sentence
    assert math.isinf(found.hosts[0].days_without_run)


def test_a_date_in_the_future_is_told_and_hides_no_silence() -> None:
    ahead = a_result(0, measured_at=day(400).isoformat())
    found = health(ahead)
    assert concerns(found) == ["suite", "host"]
    assert found.attention[0].sentence == (
        "run-00 is dated 390 days in the future: set the clock of the machine that measured it; until then no missing "
        "run is noticed"
    )
    assert concerns(health(ahead, a_result(9))) == []
    assert concerns(health(ahead, a_result(5))) == ["suite", "host"]
    assert concerns(health(a_result(0, measured_at=day(10.9).isoformat()))) == []  # clocks differ


@pytest.mark.parametrize(
    ("expires", "sentence"),
    [
        ("2026-03-10", "has expired, on 2026-03-10, owner ada: https://example.org/1"),
        ("2026-03-11", "expires in 0 days, on"),
        ("2026-03-25", "expires in 14 days, on"),
        ("2026-03-26", ""),
    ],
)
def test_a_waiver_is_told_before_its_last_day(expires: str, sentence: str) -> None:
    waiver = Waiver(
        entry=1, case="train", ceiling=0.2, expires=expires, issue="https://example.org/1", reason="known", owner="ada"
    )
    results = [a_result(number) for number in range(10)]
    found = health(*results, waivers=(waiver,))
    assert found.waivers[0].owner == "ada"
    assert [attention.concern for attention in found.attention] == (["waiver"] if sentence else [])
    assert all(sentence in attention.sentence for attention in found.attention)


def test_what_waits_to_be_sent_is_told_beyond_its_limit() -> None:
    waiting = (Waiting(place="results/spool/db", count=3),)
    results = [a_result(number) for number in range(10)]
    assert concerns(health(*results, records=waiting, alerts=waiting)) == ["records", "alerts"]
    allowed = Limits(waiting_records=3, waiting_alerts=3)
    assert health(*results, records=waiting, alerts=waiting, limits=allowed).attention == ()


def against_itself(number: int, status: Status = Status.UNCHANGED, low: float = -0.004) -> NightlyResult:
    return a_result(number, a_case_of(status, low=low), against_itself=True)


def test_the_changes_of_one_build_are_kept_and_are_no_runs_of_the_suite() -> None:
    found = health(a_result(8, OPEN), against_itself(9), limits=Limits(inconclusive_share=1))
    (suite,) = found.suites
    assert suite.runs == 1
    assert suite.cases[0].runs_without_verdict == 1
    assert suite.drift is not None
    assert [(change.case_key, change.change, change.is_alarm) for change in suite.drift.changes] == [
        (KEY, 0.001, False)
    ]
    assert (suite.drift.intervals, suite.drift.intervals_off_zero) == (1, 0)
    assert found.attention == ()


@pytest.mark.parametrize("status", [Status.REGRESSED, Status.IMPROVED])
def test_a_change_of_one_build_is_a_false_alarm(status: Status) -> None:
    earlier = [against_itself(number) for number in range(9)]
    found = health(*earlier, against_itself(9, status, low=0.0005))
    assert concerns(found) == ["drift"]
    assert "measured one build twice and called train · resnet18-1xcpu-bs2 changed" in found.attention[0].sentence
    drift = found.suites[0].drift
    assert drift is not None
    assert (drift.alarm_runs, drift.runs, drift.intervals_off_zero, drift.promised_share) == (1, 10, 1, 0.01)


def test_an_old_false_alarm_is_told_until_so_few_would_come_by_chance() -> None:
    alarm = against_itself(0, Status.REGRESSED)
    assert concerns(health(alarm, *(against_itself(1 + n) for n in range(3)), now=4)) == ["drift"]
    assert health(alarm, *(against_itself(1 + n) for n in range(9)), now=10).attention == ()


def test_the_chance_of_alarms_is_that_of_the_binomial() -> None:
    assert chance_of_alarms(0, 10, 0.01) == pytest.approx(1.0)
    assert chance_of_alarms(1, 10, 0.01) == pytest.approx(1 - 0.99**10)
    assert chance_of_alarms(10, 10, 0.01) == pytest.approx(1e-20)


def test_hardware_and_suites_are_apart() -> None:
    other = a_result(9, OPEN, hardware_key="gpu", suite="monthly")
    found = health(a_result(9), other, limits=Limits(inconclusive_share=1))
    assert [(suite.suite, suite.hardware_key) for suite in found.suites] == [
        ("nightly", "cpu-2x-example"),
        ("monthly", "gpu"),
    ]
