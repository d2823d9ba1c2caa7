import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from ssdbench.analysis.verdicts.stored import judge_stored, session_contrasts
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.settings import Rule, Settings
from ssdbench.schema.verdict import Mode, Status, Verdict
from tests.analysis.verdicts.launch_values import LATENCY

SETTINGS = Settings()


def stored(
    *, sessions: int, change: float = 0.0, drift: float = 1e-3, noise: float = 5e-4, seed: int = 1
) -> CaseSessions:
    rng = np.random.default_rng(seed)
    shifts = rng.normal(0.0, drift, sessions + 1)
    shifts[-1] = math.log1p(change)
    found = [tuple(0.1 * np.exp(shift + rng.normal(0.0, noise, 4))) for shift in shifts]
    return CaseSessions(metric=LATENCY, baseline=tuple(found[:-1]), candidate=(found[-1],))


def verdict(case: CaseSessions) -> Verdict:
    return judge_stored({"case": case}, SETTINGS)["case"]


@pytest.mark.parametrize(
    ("sessions", "change", "status"),
    [
        (8, 0.0, Status.UNCHANGED),
        (8, 0.02, Status.INCONCLUSIVE),
        (8, 0.04, Status.INCONCLUSIVE),
        (8, 0.10, Status.REGRESSED),
        (8, -0.10, Status.IMPROVED),
        (4, 0.0, Status.INCONCLUSIVE),
        (1, 0.0, Status.INCONCLUSIVE),
        (1, 0.04, Status.INCONCLUSIVE),
        (1, 0.10, Status.REGRESSED),
    ],
)
def test_a_stored_baseline_may_clear_and_convicts_only_beyond_any_drift(sessions: int, change: float, status: Status):
    found = verdict(stored(sessions=sessions, change=change))
    assert (found.status, found.mode) == (status, Mode.STORED)


def test_the_interval_is_that_of_the_sessions():
    case = stored(sessions=6)
    means = [np.log(session).mean() for session in case.baseline]
    d = np.log(case.candidate[0]).mean() - np.mean(means)
    h = t.ppf(0.995, 5) * np.std(means, ddof=1) * math.sqrt(1 + 1 / 6)
    found = verdict(case)
    assert (found.low, found.change, found.high) == pytest.approx(tuple(map(math.expm1, (d - h, d, d + h))))


@pytest.mark.parametrize("sessions", [1, 2, 4])
@pytest.mark.parametrize("change", [0.0, 0.02, 0.1])
def test_too_few_sessions_give_a_change_without_an_interval(sessions: int, change: float):
    found = verdict(stored(sessions=sessions, change=change))
    assert (found.low, found.high) == (None, None)
    assert found.change == pytest.approx(change, abs=0.005)
    assert "interval" not in found.sentence
    single = CaseSessions(metric=LATENCY, baseline=((0.1, 0.1001, 0.0999),), candidate=((0.1,),))
    assert (verdict(single).low, verdict(single).high) == (None, None)


@pytest.mark.parametrize("sessions", [1, 4, 5, 8])
def test_an_interval_that_is_given_holds_the_true_change_where_sessions_drift(sessions: int):
    rng = np.random.default_rng(sessions)
    cases = {}
    for number in range(1000):
        drift = rng.normal(0, 0.002, sessions + 1)
        launches = 0.1 * np.exp(drift[:, None] + rng.normal(0, 0.001, (sessions + 1, 3)))
        *there, here = (tuple(map(float, session)) for session in launches)
        cases[str(number)] = CaseSessions(metric=LATENCY, baseline=tuple(there), candidate=(here,))
    bounds = [(found.low, found.high) for found in judge_stored(cases, Settings()).values()]
    given = [(low, high) for low, high in bounds if low is not None and high is not None]
    assert len(given) == (len(cases) if sessions >= 5 else 0)
    assert sum(low <= 0 <= high for low, high in given) >= 0.98 * len(given)


def test_what_cannot_be_convicted_says_what_to_do():
    assert verdict(stored(sessions=8, change=0.02)).sentence.endswith(
        "not beyond the 5% that one build may drift between sessions, nor shown to be within the margin of 1%; "
        "measure both builds again, interleaved, in about 3 pairs"
    )
    assert (
        "4 stored sessions cannot show the drift between sessions, 5 are needed" in verdict(stored(sessions=4)).sentence
    )


def test_a_noisy_night_is_not_judged_by_the_calm_of_those_stored():
    calm = stored(sessions=8)
    noisy = CaseSessions(metric=LATENCY, baseline=calm.baseline, candidate=((0.08, 0.1, 0.125),))
    assert verdict(noisy).status is Status.INCONCLUSIVE


def test_a_change_within_a_wide_margin_is_no_regression():
    case = stored(sessions=8, change=0.10)
    assert judge_stored({"case": case}, Settings(margin=0.25))["case"].status is Status.UNCHANGED


def beyond_drift(t_value: float, sessions: int = 8) -> CaseSessions:
    """A candidate session whose difference is `t_value` standard errors beyond the drift cap."""
    spread = 1e-3 * np.array([-1.0, 1.0] * (sessions // 2))
    error = np.std(spread, ddof=1) * math.sqrt(1 + 1 / sessions)
    level = math.log(0.1) + math.log1p(SETTINGS.drift_cap) + t_value * error
    launches = np.array([-1e-4, 1e-4])
    return CaseSessions(
        metric=LATENCY,
        baseline=tuple(tuple(0.1 * np.exp(shift + launches)) for shift in spread),
        candidate=(tuple(np.exp(level + launches)),),
    )


def test_holm_over_all_stored_cases_bounds_the_chance_of_any_false_alarm():
    fixed = Settings(rule="fixed")
    enough_alone, enough_of_many = t.ppf(1 - SETTINGS.alpha / 2, 7), t.ppf(1 - SETTINGS.alpha / 100, 7)
    between, beyond = (enough_alone + enough_of_many) / 2, enough_of_many + 0.1
    others = {str(n): stored(sessions=8, seed=n) for n in range(99)}
    assert verdict(beyond_drift(between)).status is Status.REGRESSED
    assert judge_stored({"case": beyond_drift(between)} | others, fixed)["case"].status is Status.INCONCLUSIVE
    assert judge_stored({"case": beyond_drift(beyond)} | others, fixed)["case"].status is Status.REGRESSED


def test_a_change_beyond_any_drift_and_within_the_margin_is_never_called():
    few_sessions = stored(sessions=1, change=0.10)
    assert verdict(few_sessions).status is Status.REGRESSED
    found = judge_stored({"case": few_sessions}, Settings(margin=0.25))["case"]
    assert found.status is Status.INCONCLUSIVE


def test_large_noise_in_many_cases_convicts_none():
    cases = {str(n): stored(sessions=5, drift=0.08, noise=0.02, seed=n) for n in range(100)}
    assert {found.status for found in judge_stored(cases, SETTINGS).values()} == {Status.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ((), ()),
        (((0.1,),), ()),
        (((0.1, 0.1),) * 6, ((0.1, 0.1),)),
        (((0.0, 0.1),) * 6, ((0.1, 0.1),)),
        (((0.1, 0.2),) * 6, ((0.1,),)),
    ],
)
def test_what_allows_no_verdict_is_inconclusive(baseline, candidate):
    assert verdict(CaseSessions(metric=LATENCY, baseline=baseline, candidate=candidate)).status is Status.INCONCLUSIVE


def test_a_case_whose_sessions_drift_far_more_than_those_of_the_others_is_judged_by_its_own():
    rng = np.random.default_rng(5)

    def case(drift: float) -> CaseSessions:
        means = np.exp(rng.normal(0, drift, 6))
        return CaseSessions(
            metric=LATENCY,
            baseline=tuple((float(mean),) * 2 for mean in means[:5]),
            candidate=((float(means[5]),) * 2,),
        )

    covered = 0
    for _ in range(200):
        run = {str(number): case(0.01 if number == 0 else 0.001) for number in range(40)}
        found = session_contrasts(run, SETTINGS)["0"]
        covered += abs(found.estimate) <= found.half_width(1 - SETTINGS.alpha)
    assert covered >= 195  # by the spread of the others 178


def test_cases_lend_one_another_the_spread_between_their_sessions():
    rng = np.random.default_rng(4)

    def case(spread: float) -> CaseSessions:
        means = np.exp(rng.normal(0, spread, 6))
        return CaseSessions(
            metric=LATENCY, baseline=tuple((float(mean),) for mean in means[:5]), candidate=((1.0, 1.0),)
        )

    run = {str(number): case(2e-3) for number in range(100)}
    widths = {
        rule: [found.high - found.low for found in judge_stored(run, Settings(rule=rule)).values()]
        for rule in ("fixed", "sequential")
    }
    # Five sessions alone have a t of 4.6 and a spread of their own; with the others' it is nearly known. A tenth of the
    # cases spread so much by chance that the others do not explain it.
    assert np.median(widths["sequential"]) < 0.7 * np.median(widths["fixed"])
    assert np.subtract(*np.quantile(widths["sequential"], [0.75, 0.25])) < 0.25 * np.subtract(
        *np.quantile(widths["fixed"], [0.75, 0.25])
    )
    alone = {name: judge_stored({name: found}, SETTINGS)[name] for name, found in list(run.items())[:3]}
    fixed = judge_stored(run, Settings(rule="fixed"))
    assert all(found.low == fixed[name].low for name, found in alone.items())


@pytest.mark.parametrize("rule", ["sequential", "fixed"])
def test_a_session_of_fewer_launches_than_those_stored_has_a_wider_interval(rule: Rule):
    launches = 2e-3 * np.array([-1.0, 0.0, 1.0])
    spread = 1e-3 * np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    there = tuple(tuple((0.1 * np.exp(mean + launches)).tolist()) for mean in spread)
    here = (0.1, 0.1 * math.exp(1e-4))
    case = CaseSessions(metric=LATENCY, baseline=there, candidate=(here,))
    found = judge_stored({"case": case}, Settings(rule=rule))["case"]
    error = math.sqrt(np.var(spread, ddof=1) * (1 + 1 / 6) + np.var(launches, ddof=1) * (1 / 2 - 1 / 3))
    reach = t.ppf(0.995, 5) * error
    assert found.low is not None
    assert math.log1p(found.low) == pytest.approx(5e-5 - reach)
    as_many = replace(case, candidate=((*here, 0.1),))
    narrow = judge_stored({"case": as_many}, Settings(rule=rule))["case"]
    assert narrow.low is not None
    centre = 1e-4 / 3
    assert math.log1p(narrow.low) == pytest.approx(
        centre - t.ppf(0.995, 5) * np.std(spread, ddof=1) * math.sqrt(1 + 1 / 6)
    )
