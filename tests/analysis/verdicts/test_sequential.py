"""The sequential rule: looks, priors, fresh pairs, and the exact second test."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ssdbench.analysis.verdicts import looks
from ssdbench.analysis.verdicts.interleaved import flagged_cases, judge, next_pairs
from ssdbench.analysis.verdicts.rank_sum import p_larger, smallest_p
from ssdbench.analysis.verdicts.spread import WIDER_LEVEL, Prior, fit_prior, is_wider, shrunk, trimmed, variance_factor
from ssdbench.errors import UsageError
from ssdbench.schema.launch_values import Arms, LaunchesByCase, Stage, Wanted
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT, a_case, some_launches

SETTINGS = Settings()


def arms(baseline: list[float], candidate: list[float]) -> Arms:
    return Arms(baseline=tuple(np.exp(baseline)), candidate=tuple(np.exp(candidate)))


def test_the_looks_grow_by_a_third_and_end_at_the_cap():
    assert SETTINGS.looks == (3, 4, 5, 7, 9, 12, 15)
    assert Settings(pair_cap=10).looks == (3, 4, 5, 7, 9, 10)
    assert Settings(pilot_pairs=2, pair_cap=4).looks == (2, 3, 4)
    assert Settings(minimum_launches=6).looks[0] == 6
    assert Settings(pilot_pairs=3, pair_cap=3, confirm_pair_cap=3).looks == (3,)


def test_a_rule_that_nobody_knows_is_refused():
    with pytest.raises(UsageError, match="neither sequential nor fixed"):
        Settings(rule="bayes")  # type: ignore[arg-type]


@pytest.mark.parametrize("launches", [3, 5, 8, 12])
def test_the_exact_test_is_that_of_scipy(launches: int):
    rng = np.random.default_rng(launches)
    there, here = rng.normal(size=(20, launches)), rng.normal(0.7, 1, (20, launches))
    expected = [
        stats.mannwhitneyu(right, left, alternative="greater", method="exact").pvalue
        for left, right in zip(there, here, strict=True)
    ]
    assert p_larger(there, here) == pytest.approx(expected, abs=1e-12)


def test_launches_that_are_equal_share_their_ranks_and_p_stays_exact():
    # Of the 6 ways to deal 1, 2, 2, 3 to two arms, the candidate's ranks (2.5 + 4) are reached or passed by 2.
    assert p_larger(np.array([[1.0, 2.0]]), np.array([[2.0, 3.0]])) == pytest.approx([2 / 6])
    assert p_larger(np.ones((1, 4)), np.ones((1, 4))) == pytest.approx([1.0])


def test_the_fewest_fresh_pairs_are_those_at_which_the_exact_test_reaches_its_level():
    assert smallest_p(5) == pytest.approx(1 / math.comb(10, 5))
    assert [looks.least_fresh_pairs(0.01 / flagged) for flagged in (1, 2, 3, 9, 34)] == [5, 5, 6, 6, 7]
    assert [looks.least_fresh_pairs(0.01 / flagged, disturbed=True) for flagged in (1, 5)] == [8, 9]


def test_a_prior_of_equal_spreads_is_narrow_and_one_of_unlike_spreads_is_wide():
    rng = np.random.default_rng(1)

    def fitted(spreads: np.ndarray) -> tuple[float, float]:
        launches = rng.normal(size=(len(spreads), 3)) * spreads[:, None]
        prior = fit_prior(launches.var(axis=1, ddof=1), 2, 1e-12)
        return float(prior.variance[0]), float(prior.freedom[0])

    variance, freedom = fitted(np.full(400, 0.5))
    assert (variance, freedom) == (pytest.approx(0.25, rel=0.15), 20.0)
    assert fitted(np.repeat([0.1, 2.0], 200))[1] < 1.0


@pytest.mark.parametrize("freedom", [1.0, 4.0])
def test_a_prior_recovers_the_distribution_from_which_the_spreads_were_drawn(freedom: float):
    rng = np.random.default_rng(2)
    variances = 3.0 * freedom / rng.chisquare(freedom, 20_000)
    seen = variances * rng.chisquare(2, variances.size) / 2
    prior = fit_prior(seen, 2, 1e-12)
    assert float(prior.freedom[0]) == pytest.approx(0.75 * freedom, rel=0.1)
    assert float(prior.variance[0]) == pytest.approx(3.0, rel=0.1)


def test_a_variance_is_drawn_towards_the_prior_by_their_degrees_of_freedom():
    prior = Prior(variance=np.array([4.0]), freedom=np.array([2.0]))
    centre, own, own_freedom = trimmed(np.array([[0.0, 1.0, 2.0]]), 0.2)
    variance, freedom = shrunk(own, own_freedom, prior, variance_factor(3, 0.2))
    # The launches have a variance of 1 at 2 degrees of freedom, and their mean a third of it.
    assert (centre[0], variance[0], freedom[0]) == (1.0, pytest.approx((2 * 4 + 2 * 1) / 4 / 3), 4.0)


def test_few_cases_have_a_weak_prior_and_one_has_none():
    assert [fit_prior(np.full(cases, 2.0), 2, 1e-12).freedom.tolist() for cases in (0, 1, 5, 41, 401)] == [
        [0.0], [0.0], [1.0], [10.0], [20.0],
    ]  # fmt: skip


@pytest.mark.parametrize("launches", [3, 5, 10])
def test_without_a_prior_the_spread_is_that_of_welch_and_yuen(launches: int):
    rng = np.random.default_rng(launches)
    there, here = rng.normal(size=(6, launches)), rng.normal(size=(6, launches))
    (left, left_variance, left_freedom), (right, right_variance, right_freedom) = (
        trimmed(there, 0.2),
        trimmed(here, 0.2),
    )
    expected = stats.ttest_ind(here, there, axis=1, equal_var=False, trim=0.2)
    variance = left_variance + right_variance
    assert (right - left) / np.sqrt(variance) == pytest.approx(expected.statistic)
    assert variance**2 / (left_variance**2 / left_freedom + right_variance**2 / right_freedom) == pytest.approx(
        expected.df
    )


def test_a_calm_unchanged_case_is_complete_after_three_pairs():
    run = some_launches(cases=20, noise=1e-3)
    first = {name: replace(case, measure=case.measure.first(3), confirm=Arms()) for name, case in run.items()}
    assert next_pairs(first, SETTINGS) == {}
    assert {found.status for found in judge(first, SETTINGS).values()} == {Status.UNCHANGED}


def test_an_early_unchanged_takes_a_stricter_interval_than_the_printed_one():
    pilot = arms([0.0, 0.001, -0.001], [0.006, 0.007, 0.005])
    case = replace(a_case(), measure=pilot, confirm=Arms())
    found = judge({"case": case}, SETTINGS)["case"]
    assert found.low < found.high < SETTINGS.margin
    assert next_pairs({"case": case}, SETTINGS) == {"case": Wanted(stage=Stage.MEASURE, pairs=1)}


def test_the_first_look_takes_a_stricter_interval_for_unchanged_than_the_others():
    # At the second look, with an interval as narrow as this at the first, the case is complete.
    pilot = arms([0.0, 0.0005, -0.0005], [0.004, 0.0045, 0.0035])
    case = replace(a_case(), measure=pilot, confirm=Arms())
    first = judge({"case": case}, SETTINGS)["case"]
    reach = math.log1p(first.high) - 0.004
    wider = reach * stats.t.isf(looks.LOOK_SHARE * 0.005, 4) / stats.t.isf(0.005, 4)
    widest = reach * stats.t.isf(looks.FIRST_LOOK_SHARE * 0.005, 4) / stats.t.isf(0.005, 4)
    estimate = SETTINGS.log_margin - (wider + widest) / 2
    moved = arms([0.0, 0.0005, -0.0005], [estimate, estimate + 0.0005, estimate - 0.0005])
    assert next_pairs({"case": replace(case, measure=moved)}, SETTINGS)
    surely = SETTINGS.log_margin - widest - 1e-5
    moved = arms([0.0, 0.0005, -0.0005], [surely, surely + 0.0005, surely - 0.0005])
    assert not next_pairs({"case": replace(case, measure=moved)}, SETTINGS)


TWO_STATES = [0.0, 1e-4, 2e-4, 3e-4, 4e-4, 1e-4, 2e-4]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_what_only_the_trimmed_interval_places_within_the_margin_is_not_unchanged(sign: int, metric: Metric):
    # One launch of seven beyond the margin is trimmed in each arm, and still within the reach of the interval.
    there, here = np.array(TWO_STATES), np.array(TWO_STATES) + 1e-5
    there[0], here[1] = -0.012, 0.012
    turned = sign * (1 if metric is LATENCY else -1)
    case = replace(
        a_case(metric=metric), measure=arms((turned * there).tolist(), (turned * here).tolist()), confirm=Arms()
    )
    found = judge({"case": case}, SETTINGS)["case"]
    assert -SETTINGS.margin < found.low < found.high < SETTINGS.margin
    assert found.status is Status.INCONCLUSIVE
    assert "its interval is within the margin of 1%, but the ranks of the launches do not exclude" in found.sentence
    assert next_pairs({"case": case}, SETTINGS) == {"case": Wanted(stage=Stage.MEASURE, pairs=2)}
    calm = replace(case, measure=arms(TWO_STATES, TWO_STATES[::-1]))
    assert judge({"case": calm}, SETTINGS)["case"].status is Status.UNCHANGED
    assert judge({"case": case}, Settings(rule="fixed"))["case"].status is Status.UNCHANGED


@pytest.mark.parametrize(
    ("pairs", "alpha", "excluded"), [(4, 0.01, True), (5, 0.01, False), (5, 0.001, True), (7, 0.001, False)]
)
def test_ranks_have_a_say_from_the_pairs_on_that_can_reach_their_level(pairs: int, alpha: float, excluded: bool):
    there, here = np.zeros((1, pairs)), np.linspace(0.0, 0.02, pairs)[None]
    values = looks.Values(baseline=there, candidate=here, pairs=np.array([pairs]))
    assert looks.ranks_exclude_margin(values.pairs, values, Settings(alpha=alpha)).tolist() == [excluded]
    near = looks.Values(baseline=there, candidate=here / 10, pairs=np.array([pairs]))
    assert looks.ranks_exclude_margin(near.pairs, near, Settings(alpha=alpha)).tolist() == [True]


def test_a_case_that_is_open_is_measured_to_the_next_look_whatever_the_others_are():
    case = a_case(noise=5e-3)
    asked = []
    for have in (0, 3, 4, 5, 7, 9, 12):
        run = {"case": replace(case, measure=case.measure.first(have), confirm=Arms())}
        wanted = next_pairs(run, SETTINGS)
        if not wanted:
            break
        asked.append(have + wanted["case"].pairs)
    assert asked == list(SETTINGS.looks[: len(asked)])
    assert len(asked) > 2


def test_the_other_cases_lend_a_noisy_pilot_their_spread():
    calm: LaunchesByCase = some_launches(cases=60, noise=1e-3)
    unlucky = a_case(noise=1e-3)
    pilot = arms([0.0, 0.0014, -0.0014], [0.0, 0.0014, -0.0014])
    odd = replace(unlucky, measure=pilot, confirm=Arms())
    alone = judge({"odd": odd}, SETTINGS)["odd"]
    among = judge({**calm, "odd": odd}, SETTINGS)["odd"]
    assert among.high - among.low < 0.6 * (alone.high - alone.low)


def test_the_only_noisy_case_of_a_run_is_not_judged_by_the_spread_of_the_others():
    passed = 0
    for seed in range(100):
        run = some_launches(seed=seed, cases=40, noise=8e-4)
        noisy = a_case(seed=seed, noise=4e-3, change=SETTINGS.margin)
        passed += judge({**run, "noisy": noisy}, SETTINGS)["noisy"].status is Status.UNCHANGED
    assert passed <= 3  # by the spread of the others 8


def test_a_case_spreads_more_than_its_prior_explains_by_an_f_test():
    limit = stats.f.isf(WIDER_LEVEL, 4, 6)
    ratio, prior = np.array([limit * 0.999, limit * 1.001, 1e9]), np.array([6.0, 6.0, 0.0])
    assert is_wider(ratio, 4.0, prior).tolist() == [False, True, False]


def test_a_gross_change_is_confirmed_by_the_fewest_pairs_that_its_level_allows():
    case = a_case(change=0.2, noise=1e-3)
    alone = judge({"case": case}, SETTINGS)["case"]
    assert (alone.status, alone.candidate_launches, alone.confirm_pairs) == (Status.REGRESSED, 3 + 5, 5)
    several = {str(number): a_case(seed=number, change=0.2, noise=1e-3) for number in range(3)}
    assert {found.confirm_pairs for found in judge(several, SETTINGS).values()} == {6}


def test_one_disturbed_fresh_launch_does_not_hide_a_change():
    case = a_case(change=0.015, noise=5e-4)
    pairs = judge({"case": case}, SETTINGS)["case"].confirm_pairs
    disturbed = (case.confirm.baseline[0] * 1.1, *case.confirm.baseline[1:])
    found = judge({"case": replace(case, confirm=replace(case.confirm, baseline=disturbed))}, SETTINGS)["case"]
    assert (pairs, found.status) == (8, Status.REGRESSED)


def test_the_plan_of_the_fresh_pairs_follows_their_spread_and_never_their_difference():
    case = a_case(change=0.02, noise=4e-3)
    (first,) = next_pairs({"case": replace(case, confirm=Arms())}, SETTINGS).values()
    assert first.stage is Stage.CONFIRM

    def plan(shift: float) -> Wanted | None:
        fresh = case.confirm.first(first.pairs)
        moved = replace(fresh, candidate=tuple(value * math.exp(shift) for value in fresh.candidate))
        return next_pairs({"case": replace(case, confirm=moved)}, SETTINGS).get("case")

    assert plan(0.0) == plan(0.01) == plan(-0.05)


def test_a_shift_that_only_the_trimmed_test_sees_is_not_confirmed():
    case = a_case(change=0.2, noise=1e-3)
    # Trimming leaves the launch out that was in the other state, and is sure; the ranks are not.
    fresh = case.confirm.first(5)
    odd = replace(fresh, candidate=(0.9 * min(fresh.baseline), *fresh.candidate[1:]))
    found = judge({"case": replace(case, confirm=odd)}, SETTINGS)["case"]
    assert found.status is Status.INCONCLUSIVE
    assert "5 fresh pairs, which do not confirm the change seen first" in found.sentence


def test_fresh_pairs_that_are_not_all_there_say_how_many_are_asked_for():
    case = a_case(change=0.03)
    found = judge({"case": replace(case, confirm=case.confirm.first(4))}, SETTINGS)["case"]
    assert found.status is Status.INCONCLUSIVE
    assert "in 4 of the 8 fresh pairs that its plan asks for" in found.sentence


@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
def test_swapping_the_arms_mirrors_a_whole_run(metric: Metric):
    run = {
        str(number): a_case(seed=number, noise=3e-3, change={0: 0.02, 1: -0.02}.get(number, 0.0), metric=metric)
        for number in range(12)
    }
    mirror = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}

    def swapped(side: Arms) -> Arms:
        return Arms(baseline=side.candidate, candidate=side.baseline)

    back = judge(
        {
            name: replace(case, measure=swapped(case.measure), confirm=swapped(case.confirm))
            for name, case in run.items()
        },
        SETTINGS,
    )
    for name, there in judge(run, SETTINGS).items():
        assert back[name].status is mirror.get(there.status, there.status)
        assert back[name].confirm_pairs == there.confirm_pairs


def test_cases_that_end_early_leave_the_verdicts_of_the_others_as_they_are():
    run = some_launches(cases=10, noise=3e-3)
    later = dict(run)
    later["0"] = replace(run["0"], measure=run["0"].measure.first(4))
    there, here = judge(run, SETTINGS), judge(later, SETTINGS)
    assert all(there[name] == here[name] for name in run if name != "0")
    assert flagged_cases(run, SETTINGS) == flagged_cases(later, SETTINGS)
