"""Which cases are measured again in fresh pairs: by their sessions, by their status, and in turn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.stats import t

from ssdbench.analysis.verdicts.nomination import escape, may_have_changed, nominate, open_after_first
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.metrics import Metric
from ssdbench.schema.nightly import Look
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Status, Verdict
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT

SETTINGS = Settings()
SPREAD = 1e-3 * np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
UNPAIRED = {Status.SKIPPED, Status.VANISHED, Status.LEFT_OUT, Status.DOES_NOT_FIT, Status.FITS_NOW}
FAILED = {Status.FAILED, Status.NO_LONGER_FITS, Status.NOT_RUN}
NEW = {Status.NO_BASELINE, Status.STALE, Status.INCOMPARABLE}


def sessions(difference: float, spread: Sequence[float] = tuple(SPREAD), metric: Metric = LATENCY) -> CaseSessions:
    """Stored sessions of two launches with means that are `spread`, and one of the candidate; logarithms."""
    sign = 1 if metric is LATENCY else -1
    launches = np.array([-2e-4, 2e-4])
    return CaseSessions(
        metric=metric,
        baseline=tuple(tuple((0.1 * np.exp(sign * (mean + launches))).tolist()) for mean in spread),
        candidate=(tuple((0.1 * np.exp(sign * (difference + np.mean(spread) + launches))).tolist()),),
    )


def calm(seed: int, *, change: float = 0.0, stored: int = 6, drift: float = 5e-4) -> CaseSessions:
    return sessions(math.log1p(change), tuple(np.random.default_rng(seed).normal(0.0, drift, stored)))


def compared(statuses: Mapping[str, Status]) -> Comparison:
    return Comparison(
        schema_version=SCHEMA_VERSION,
        run_id="r",
        hardware_key="h",
        baseline="main",
        baseline_run_id="b",
        settings=SETTINGS,
        cases=tuple(
            CaseVerdict(
                case_key=key,
                title=key,
                verdict=Verdict(status=status, metric=LATENCY.name, sentence="", settings=SETTINGS),
            )
            for key, status in statuses.items()
        ),
    )


def nominated(
    statuses: Mapping[str, Status],
    cases: Mapping[str, CaseSessions],
    last_pairs: Mapping[str, int | None] | None = None,
    every: int = 1000,
) -> dict[str, str]:
    found = nominate(compared(statuses), cases, SETTINGS, last_pairs=last_pairs or {}, every=every)
    return dict(found)


def is_open(case: CaseSessions, settings: Settings = SETTINGS) -> bool:
    return may_have_changed({"case": case}, settings)["case"]


def reach(stored: int = 6, level: float = 0.035) -> float:
    """By how much a session may fall short of its build, from `SPREAD` alone."""
    return float(t.isf(level, stored - 1) * np.std(SPREAD, ddof=1) * math.sqrt(1 + 1 / stored))


@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_a_case_is_open_from_the_slowdown_on_with_which_the_margin_is_not_excluded(metric: Metric):
    limit = math.log1p(0.01) - reach()
    assert 0.003 < limit < 0.009
    assert not is_open(sessions(limit - 1e-6, metric=metric))
    assert is_open(sessions(limit + 1e-6, metric=metric))


@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_a_case_that_is_faster_is_open_from_the_margin_on(metric: Metric):
    assert not is_open(sessions(-math.log1p(0.01) + 1e-6, metric=metric))
    assert is_open(sessions(-math.log1p(0.01) - 1e-6, metric=metric))


def test_the_level_follows_the_power_that_is_asked_for():
    assert escape(SETTINGS) == pytest.approx(0.035)
    limit = math.log1p(0.01) - reach(level=0.14)
    loose = Settings(power=0.8)
    assert not is_open(sessions(limit - 1e-6), loose)
    assert is_open(sessions(limit + 1e-6), loose)


@pytest.mark.parametrize("launches", [1, 3])
def test_as_many_slowdowns_of_the_margin_are_left_out_as_the_level_says(launches: int):
    rng = np.random.default_rng(launches)
    logs = rng.normal(0.0, 0.002, (4000, 7, 1)) + rng.normal(0.0, 0.002, (4000, 7, 3))
    logs[:, -1] += math.log1p(0.01)
    cases = {
        str(number): CaseSessions(
            metric=LATENCY,
            baseline=tuple(map(tuple, np.exp(case[:-1]).tolist())),
            candidate=(tuple(np.exp(case[-1, :launches]).tolist()),),
        )
        for number, case in enumerate(logs)
    }
    left_out = [not found for found in may_have_changed(cases, SETTINGS).values()]
    assert np.mean(left_out) == pytest.approx(0.035, abs=0.008)


def test_both_looks_together_leave_out_no_more_than_one_alone():
    rng = np.random.default_rng(5)
    logs = rng.normal(0.0, 0.002, (4000, 7, 1)) + rng.normal(0.0, 0.002, (4000, 7, 3))
    logs[:, -1] += math.log1p(0.01)
    cases = {
        str(number): CaseSessions(
            metric=LATENCY,
            baseline=tuple(map(tuple, np.exp(case[:-1]).tolist())),
            candidate=(tuple(np.exp(case[-1]).tolist()),),
        )
        for number, case in enumerate(logs)
    }
    first = open_after_first(cases, SETTINGS)
    second = may_have_changed({key: cases[key] for key in first}, SETTINGS, dict.fromkeys(cases, "second"))
    assert 0.002 < 1 - len(first) / len(cases) < 0.014
    assert 0.01 < 1 - sum(second.values()) / len(cases) < 0.035
    assert escape(SETTINGS, "first") + escape(SETTINGS, "second") == pytest.approx(escape(SETTINGS))


def test_the_first_look_sees_the_first_launch_alone():
    case = sessions(math.log1p(0.01) - reach(level=0.01) - 1e-6)
    slow_later = replace(case, candidate=((case.candidate[0][0], 2 * case.candidate[0][1]),))
    slow_first = replace(case, candidate=((2 * case.candidate[0][0], case.candidate[0][1]),))
    unknown = replace(case, baseline=case.baseline[:4])
    found = open_after_first({"a": case, "b": slow_later, "c": slow_first, "d": unknown}, SETTINGS)
    assert found == {"c"}, "of d nothing is known, so that no second look can clear it"


@pytest.mark.parametrize(("look", "level"), [("first", 0.01), ("second", 0.025), ("only", 0.035)])
def test_each_look_has_its_own_level(look: Look, level: float):
    limit = math.log1p(0.01) - reach(level=level)
    for offset, is_nominated in ((-1e-6, False), (1e-6, True)):
        found = may_have_changed({"case": sessions(limit + offset)}, SETTINGS, {"case": look})
        assert found == {"case": is_nominated}


def test_what_was_not_settled_last_time_is_measured_again():
    statuses = dict.fromkeys("abcd", Status.UNCHANGED) | {"e": Status.FAILED, "f": Status.SKIPPED}
    cases = {key: calm(number, change=0.2 if key == "b" else 0.0) for number, key in enumerate(statuses)}
    found = nominate(compared(statuses), cases, SETTINGS, last_pairs={}, every=6, unsettled="abef")
    assert found == {"a": "unsettled", "b": "interval", "c": "turn", "e": "failed"}


def test_cases_lend_one_another_the_drift_between_their_sessions():
    limit = math.log1p(0.01) - reach()
    alike = {str(number): sessions(limit + 1e-4) for number in range(100)}
    assert all(is_open(case) for case in list(alike.values())[:3])
    assert not any(may_have_changed(alike, SETTINGS).values())


@pytest.mark.parametrize(
    "case",
    [
        calm(1, stored=4),
        calm(1, stored=1),
        CaseSessions(metric=LATENCY),
        replace(calm(1), candidate=()),
        replace(calm(1), candidate=((),)),
        replace(calm(1), candidate=((math.nan, 0.1),)),
        replace(calm(1), candidate=((0.0,),)),
        CaseSessions(metric=LATENCY, baseline=((0.1, 0.1),) * 6, candidate=((0.1, 0.1),)),
    ],
)
def test_sessions_that_say_nothing_leave_every_change_open(case: CaseSessions):
    assert not is_open(calm(1))
    assert is_open(case)
    assert nominated({"case": Status.INCONCLUSIVE}, {"case": case}) == {"case": "interval"}


def test_a_case_without_sessions_is_open():
    assert nominated({"case": Status.INCONCLUSIVE}, {}) == {"case": "interval"}


def test_sessions_that_drift_by_the_margin_leave_nearly_every_case_open():
    drifting = {str(seed): calm(seed, drift=0.01) for seed in range(200)}
    assert np.mean(list(may_have_changed(drifting, SETTINGS).values())) > 0.9


def test_few_cases_that_did_not_change_are_open():
    cases = {str(seed): calm(seed, drift=2e-3) for seed in range(200)}
    assert np.mean(list(may_have_changed(cases, SETTINGS).values())) < 0.02


@pytest.mark.parametrize("status", sorted(Status))
def test_the_reason_follows_the_status(status: Status):
    reason = "failed" if status in FAILED else "new" if status in NEW else "turn"
    if status in {Status.REGRESSED, Status.IMPROVED}:
        reason = "interval"
    found = nominated({"case": status}, {"case": calm(1)}, every=1)
    assert found == ({} if status in UNPAIRED else {"case": reason})


def test_what_cannot_be_paired_has_no_part_in_the_turns():
    statuses = {f"case {number}": Status.UNCHANGED for number in range(4)}
    cases = {key: calm(number) for number, key in enumerate(statuses)}
    others = {f"other {status}": status for status in UNPAIRED}
    assert len(nominated(statuses | others, cases, every=4)) == 1


def test_the_case_whose_pairs_are_oldest_has_its_turn_and_before_it_one_without_any():
    statuses = dict.fromkeys("abcdef", Status.UNCHANGED)
    cases = {key: calm(number) for number, key in enumerate(statuses)}
    last = {"a": 3, "b": 5, "c": None, "d": 5, "e": 1}
    turns = [list(nominated(statuses, cases, last, every)) for every in (6, 4, 3, 2, 1)]
    assert turns == [["c"], ["c", "f"], ["c", "f"], ["c", "f", "b"], ["c", "f", "b", "d", "a", "e"]]


def test_a_case_that_is_nominated_for_another_reason_takes_no_turn():
    statuses = dict.fromkeys("abcd", Status.UNCHANGED)
    cases = {key: calm(number, change=0.2 if key == "a" else 0.0) for number, key in enumerate(statuses)}
    assert nominated(statuses, cases, {"b": 2}, every=4) == {"a": "interval", "c": "turn"}


statuses_of_run = st.dictionaries(st.integers(0, 30).map(str), st.sampled_from(list(Status)), min_size=1, max_size=12)


@examples(max_examples=50, deadline=None)
@given(statuses_of_run, st.integers(1, 30), st.data())
def test_failed_new_and_much_slower_cases_are_always_nominated(
    statuses: dict[str, Status], every: int, data: st.DataObject
):
    slow = data.draw(st.sets(st.sampled_from(sorted(statuses))))
    last = data.draw(st.dictionaries(st.sampled_from(sorted(statuses)), st.none() | st.integers(1, 99)))
    cases = {key: calm(int(key), change=0.2 if key in slow else 0.0) for key in statuses}
    found = nominated(statuses, cases, last, every)
    for key, status in statuses.items():
        if status in UNPAIRED:
            assert key not in found
        elif status in FAILED:
            assert found[key] == "failed"
        elif status in NEW:
            assert found[key] == "new"
        elif key in slow:
            assert found[key] == "interval"
    paired = sum(status not in UNPAIRED for status in statuses.values())
    assert list(found.values()).count("turn") <= math.ceil(paired / every)


@examples(max_examples=50, deadline=None)
@given(statuses_of_run, st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_nothing(statuses: dict[str, Status], every: int, shuffled):
    cases = {key: calm(int(key), change=0.01 * (int(key) % 2)) for key in statuses}
    order = sorted(statuses)
    shuffled.shuffle(order)
    again = nominated({key: statuses[key] for key in order}, {key: cases[key] for key in reversed(order)}, {}, every)
    assert again == nominated(statuses, cases, {}, every)


@examples(max_examples=30, deadline=None)
@given(st.integers(1, 14), st.integers(1, 9), st.data())
def test_every_case_is_nominated_within_so_many_runs_whatever_fails(number: int, every: int, data: st.DataObject):
    keys = [str(key) for key in range(number)]
    cases = {key: calm(int(key)) for key in keys}
    last: dict[str, int | None] = {}
    since = dict.fromkeys(keys, 0)
    for _ in range(3 * every):
        failing = data.draw(st.sets(st.sampled_from(keys), max_size=1))
        statuses = {key: Status.FAILED if key in failing else Status.UNCHANGED for key in keys}
        found = nominated(statuses, cases, last, every)
        last = {key: 1 if key in found else None if last.get(key) is None else (last[key] or 0) + 1 for key in keys}
        since = {key: 0 if key in found else since[key] + 1 for key in keys}
        assert max(since.values()) < every
