"""Which alerts a run opens, changes, closes and opens again, and what changes nothing."""

from dataclasses import replace

import pytest

from ssdbench.analysis.alerting import BAD, WELL, Advance, advance
from ssdbench.schema.alert import Alert, Event, Finding, Findings
from ssdbench.schema.verdict import Difference, Status

S = Status


def found(status: Status, change: float | None = None, key: str = "a") -> Finding:
    bounds = (None, None) if change is None else (change - 0.005, change + 0.005)
    return Finding(
        case_key=key, title=f"case {key}", status=status, metric="throughput", sentence="", change=change,
        low=bounds[0], high=bounds[1],
    )  # fmt: skip


def a_run_of(day: int, *cases: Finding, **changes: object) -> Findings:
    run = Findings(
        run_id=f"run-{day}", measured_at=f"2026-03-{day:02}T01:00:00+00:00", hardware_key="cpu", baseline="main",
        build=f"commit {day}", cases=cases, differences=(Difference(name="torch", baseline="1", candidate=str(day)),),
    )  # fmt: skip
    return replace(run, **changes)  # type: ignore[arg-type]


def after(*runs: Findings) -> Advance:
    state = Advance(alerts=(), told=())
    for run in runs:
        state = advance(state.alerts, run)
    return state


def told(state: Advance) -> list[Event]:
    return [alert.last_event for alert in state.told]


def only(state: Advance) -> Alert:
    (alert,) = state.alerts
    return alert


@pytest.mark.parametrize("status", Status)
def test_a_bad_verdict_opens_an_alert_and_no_other_does(status: Status) -> None:
    state = after(a_run_of(1, found(status)))
    assert told(state) == ([Event.OPENED] if status in BAD else [])
    assert len(state.alerts) == len(state.told)


@pytest.mark.parametrize("status", Status)
def test_an_alert_is_closed_by_a_conclusive_recovery_alone(status: Status) -> None:
    state = after(a_run_of(1, found(S.REGRESSED, -0.1)), a_run_of(2, found(status, -0.1)))
    assert only(state).is_open is (status not in WELL)
    if status in WELL:
        assert told(state) == [Event.CLOSED]
    elif status not in BAD:
        assert not state.told
        assert only(state).last_run_id == "run-1"


def test_a_case_that_was_not_measured_stays_as_it_is() -> None:
    before = after(a_run_of(1, found(S.REGRESSED, -0.1)))
    assert advance(before.alerts, a_run_of(2, found(S.UNCHANGED, key="b"))).alerts == before.alerts


def test_while_it_lasts_runs_are_counted_and_nobody_is_told() -> None:
    state = after(*(a_run_of(day, found(S.REGRESSED, -0.10 - day / 1e4)) for day in range(1, 6)))
    alert = only(state)
    assert not state.told
    assert (alert.bad_runs, alert.first_run_id, alert.last_run_id, alert.build) == (5, "run-1", "run-5", "commit 1")
    assert alert.found.change == pytest.approx(-0.1005)
    assert alert.differences[0].candidate == "1"


def test_another_status_or_an_interval_apart_from_the_one_told_is_news() -> None:
    slower = after(a_run_of(1, found(S.REGRESSED, -0.1)), a_run_of(2, found(S.REGRESSED, -0.2)))
    assert told(slower) == [Event.CHANGED]
    assert told(advance(slower.alerts, a_run_of(3, found(S.FAILED)))) == [Event.CHANGED]
    assert not advance(slower.alerts, a_run_of(3, found(S.REGRESSED, -0.205))).told


def test_small_steps_are_news_once_they_have_left_the_interval_that_was_told() -> None:
    days = [a_run_of(day, found(S.REGRESSED, -0.1 - day * 0.004)) for day in range(1, 8)]
    assert [bool(after(*days[: n + 1]).told) for n in range(7)] == [True, False, False, True, False, False, True]


def test_a_case_that_is_bad_again_goes_on_in_the_same_alert() -> None:
    state = after(
        a_run_of(1, found(S.REGRESSED, -0.1)), a_run_of(2, found(S.UNCHANGED, 0.0)), a_run_of(4, found(S.FAILED))
    )
    alert = only(state)
    assert told(state) == [Event.REOPENED]
    assert (alert.openings, alert.bad_runs, alert.first_run_id, alert.events) == (2, 1, "run-4", 3)


def test_a_run_that_is_told_twice_changes_nothing() -> None:
    runs = [a_run_of(1, found(S.REGRESSED, -0.1)), a_run_of(2, found(S.REGRESSED, -0.3))]
    before = after(*runs)
    for run in runs:
        again = advance(before.alerts, run)
        assert (again.alerts, again.told) == (before.alerts, ())


def test_an_older_run_changes_nothing_whatever_the_zone_of_its_clock() -> None:
    before = after(a_run_of(5, found(S.REGRESSED, -0.1)))
    for moment in ("2026-03-04T23:00:00+00:00", "2026-03-05T02:00:00+02:00", "2026-03-05T00:30:00Z"):
        assert advance(before.alerts, a_run_of(9, found(S.UNCHANGED), measured_at=moment)).alerts == before.alerts
    assert advance(before.alerts, a_run_of(9, found(S.UNCHANGED), measured_at="2026-03-05T02:30:00Z")).told


def test_an_older_bad_run_opens_nothing_again_once_newer_ones_were_well() -> None:
    nights = [a_run_of(1, found(S.FAILED)), a_run_of(2, found(S.UNCHANGED)), a_run_of(5, found(S.UNCHANGED))]
    before = after(*nights)
    assert advance(before.alerts, a_run_of(4, found(S.FAILED))).alerts == before.alerts
    assert told(advance(before.alerts, a_run_of(6, found(S.FAILED)))) == [Event.REOPENED]
    assert only(before).revision == only(after(*nights[:2])).revision  # its issue is not written again


def test_a_run_that_went_on_after_it_was_told_may_recover() -> None:
    state = after(a_run_of(1, found(S.FAILED)), a_run_of(1, found(S.UNCHANGED)))
    assert told(state) == [Event.CLOSED]


def test_each_case_has_an_alert_of_its_own() -> None:
    state = after(a_run_of(1, found(S.FAILED, key="b"), found(S.REGRESSED, -0.1, key="a"), found(S.UNCHANGED, key="c")))
    assert [alert.found.case_key for alert in state.alerts] == ["a", "b"]
    assert told(advance(state.alerts, a_run_of(2, found(S.UNCHANGED, key="b")))) == [Event.CLOSED]
