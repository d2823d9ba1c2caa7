"""The order effect: found whatever the builds do, said only where it is large, and harmless where pairs alternate."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssdbench.analysis.verdicts.compare import compare_arms
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.order import order_effect, order_effects
from ssdbench.schema.case import Case
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Comparison, Status
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT
from tests.analysis.verdicts.launches_in_order import alternating, in_order, paired_run
from tests.builders import a_case

SETTINGS = Settings()


def a_run_of(*arms: Arms, metric: Metric = LATENCY) -> LaunchesByCase:
    return {str(number): CaseLaunches(metric=metric, measure=case) for number, case in enumerate(arms)}


def regression(arms: Arms) -> tuple[float, float]:
    """Estimate and half width by least squares: difference of a pair ~ effect + sign * build."""
    signs = np.array([-1.0 if first else 1.0 for first in arms.candidate_is_first])
    d = signs * (np.log(arms.candidate) - np.log(arms.baseline))
    design = np.column_stack([np.ones(len(d)), signs])
    solved, squares, *_ = np.linalg.lstsq(design, d, rcond=None)
    error = math.sqrt(squares[0] / (len(d) - 2) * np.linalg.inv(design.T @ design)[0, 0])
    return float(solved[0]), float(stats.t.ppf(0.995, len(d) - 2)) * error


@given(
    first=st.lists(st.booleans(), min_size=4, max_size=15).filter(lambda first: 0 < sum(first) < len(first)),
    change=st.floats(-0.3, 0.3),
    slower=st.floats(-0.05, 0.05),
    seed=st.integers(0, 1000),
)
def test_the_effect_of_a_case_is_that_of_least_squares_whatever_the_change(
    first: list[bool], change: float, slower: float, seed: int
) -> None:
    arms = in_order(tuple(first), second_slower=slower, change=change, seed=seed)
    (found,) = order_effects(a_run_of(arms), replace(SETTINGS, noise_floor=1e-9)).values()
    estimate, reach = regression(arms)
    assert math.log1p(found.slower) == pytest.approx(estimate, abs=1e-9)
    assert math.log1p(found.high) == pytest.approx(estimate + reach, abs=1e-9)
    assert math.log1p(found.low) == pytest.approx(estimate - reach, abs=1e-9)
    assert (found.pairs, found.cases) == (len(first), 1)


def test_the_effect_is_of_time_whatever_the_metric() -> None:
    for metric in (LATENCY, THROUGHPUT):
        arms = in_order(alternating(9), second_slower=0.02, noise=1e-4, metric=metric)
        found = order_effect(a_run_of(arms, metric=metric), SETTINGS)
        assert found is not None
        assert found.slower == pytest.approx(0.02, abs=0.001)


def test_many_cases_of_three_pairs_show_what_none_of_them_shows() -> None:
    run = a_run_of(*(in_order(alternating(3, n), second_slower=0.01, noise=1e-3, seed=n) for n in range(20)))
    assert not any(effect.sentence for effect in order_effects(run, SETTINGS).values())
    found = order_effect(run, SETTINGS)
    assert found is not None
    assert found.low < 0.01 < found.high
    assert (found.pairs, found.cases) == (60, 20)
    assert found.sentence == (
        "the second launch of a pair is 1.0% slower than the first (99% interval +0.9 to +1.1%, 20 cases): "
        "heat, clocks or caches; the order alternates, so it favours neither build, but it takes more launches: "
        "lock the clocks, or let the machine rest between launches"
    )


def test_the_interval_of_a_run_covers_the_effect_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(400):
        arms = [in_order(alternating(3 + n % 3, n), second_slower=0.005, seed=10 * seed + n) for n in range(5)]
        found = order_effect(a_run_of(*arms), replace(SETTINGS, alpha=0.1))
        assert found is not None
        covered += found.low < 0.005 < found.high
    assert 0.85 < covered / 400 < 0.95


@pytest.mark.parametrize(("slower", "is_said"), [(0.0, False), (0.002, False), (0.005, True), (-0.005, True)])
def test_an_effect_is_said_from_a_third_of_the_margin_on(slower: float, is_said: bool) -> None:
    found = order_effect(a_run_of(in_order(alternating(12), second_slower=slower, noise=1e-4)), SETTINGS)
    assert found is not None
    assert bool(found.sentence) is is_said
    assert ("faster" in found.sentence) is (slower < 0 and is_said)


def test_one_odd_case_of_many_has_to_be_surer_than_one_alone() -> None:
    arms = in_order(alternating(6), second_slower=0.01, noise=2.5e-3, seed=3)
    quiet = [in_order(alternating(6), second_slower=0.0, seed=n) for n in range(99)]
    alone, among = (order_effects(run, SETTINGS)["0"] for run in (a_run_of(arms), a_run_of(arms, *quiet)))
    assert alone.sentence
    assert replace(alone, sentence="") == among


def test_without_both_orders_or_with_values_that_cannot_be_nothing_is_known() -> None:
    both = in_order(alternating(6), second_slower=0.01)
    for arms in (
        in_order((True,) * 6, second_slower=0.01),
        both.first(2),
        replace(both, candidate_is_first=()),
        replace(both, baseline=(0.0, *both.baseline[1:])),
        replace(both, candidate=(math.nan, *both.candidate[1:])),
    ):
        assert order_effects(a_run_of(arms), SETTINGS) == {}
        assert order_effect(a_run_of(arms), SETTINGS) is None


def test_launches_that_are_all_equal_have_the_error_of_the_noise_floor() -> None:
    arms = Arms(baseline=(1.0,) * 4, candidate=(1.0,) * 4, candidate_is_first=alternating(4))
    found = order_effect(a_run_of(arms), SETTINGS)
    assert found is not None
    assert found.low < 0 < found.high


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("pairs", [3, 4, 5, 8, 15])
def test_where_pairs_alternate_the_effect_alone_is_never_a_change(start: int, pairs: int) -> None:
    """Equal builds whose second launch is 1 % slower; a quiet machine is where that looks most like a change."""
    for noise in (3e-4, 1e-3, 3e-3):
        cases = {}
        for number in range(20):
            measured, fresh = (
                in_order(alternating(pairs, start), second_slower=0.01, noise=noise, seed=100 * number + stage)
                for stage in (1, 2)
            )
            cases[str(number)] = CaseLaunches(metric=LATENCY, measure=measured, confirm=fresh)
        assert not {verdict.status for verdict in judge(cases, SETTINGS).values()} & {Status.REGRESSED, Status.IMPROVED}


A, B = a_case(), a_case(backbone="resnet50")


def judged(first: tuple[bool, ...], *, second_slower: float, cases: tuple[Case, ...] = (A, B)) -> Comparison:
    return compare_arms(paired_run(first, second_slower=second_slower, cases=cases), SETTINGS)


def test_a_comparison_has_the_effect_of_its_run_and_of_its_cases_and_says_it_once() -> None:
    found = judged(alternating(6, 1), second_slower=0.01)
    assert found.order_effect is not None
    assert found.order_effect.slower == pytest.approx(0.01, abs=5e-4)
    assert "so it favours neither build" in found.order_effect.sentence
    assert {case.order_effect.pairs for case in found.cases if case.order_effect} == {6}
    assert not any("second launch" in note for case in found.cases for note in case.notes)


def test_a_run_of_an_earlier_version_in_which_the_order_does_not_balance_says_so() -> None:
    found = judged((True, False, False, False, False, False), second_slower=0.01)
    assert found.order_effect is not None
    assert found.order_effect.sentence.endswith(
        "in 2 cases one build was second more often, which may look like a change: measure again"
    )


def test_a_case_of_its_own_has_a_note() -> None:
    one = paired_run(alternating(6), second_slower=0.01, cases=(A,))
    others = tuple(a_case(batch_size_per_gpu=size) for size in range(3, 20))
    quiet = paired_run(alternating(6), second_slower=0.0, cases=others)
    header = replace(one.header, plan=replace(one.header.plan, cases=one.header.plan.cases + quiet.header.plan.cases))
    found = compare_arms(replace(one, header=header, records=one.records + quiet.records), SETTINGS)
    assert found.order_effect is not None
    assert found.order_effect.sentence == ""
    noted = {
        case.case_key for case in found.cases if any("the second launch of a pair is" in note for note in case.notes)
    }
    assert noted == {A.key}
