import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ssdbench.analysis.verdicts.contrast import contrasts
from ssdbench.analysis.verdicts.sample_size import plan, required_pairs
from ssdbench.schema.launch_values import Arms
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings
from tests.analysis.verdicts.launch_values import LATENCY, some_arms

SETTINGS = Settings()


def pairs_wanted(metric: Metric, arms: Arms, settings: Settings) -> int:
    return plan([(metric, arms)], settings, settings.alpha, settings.pair_cap)[0].pairs


def scaled(arms: Arms, factor: float) -> Arms:
    return Arms(baseline=arms.baseline, candidate=tuple(factor * value for value in arms.candidate))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 15), st.floats(1e-4, 0.02), st.floats(0.1, 10.0))
def test_the_plan_uses_no_estimate(seed: int, pairs: int, noise: float, factor: float):
    arms = some_arms(seed=seed, pairs=pairs, noise=noise)
    assert pairs_wanted(LATENCY, arms, SETTINGS) == pairs_wanted(LATENCY, scaled(arms, factor), SETTINGS)


def test_a_plan_begins_with_three_pairs():
    assert pairs_wanted(LATENCY, Arms(), SETTINGS) == 3
    assert pairs_wanted(LATENCY, some_arms(seed=1, pairs=2, noise=0.5), SETTINGS) == 3


def test_a_quiet_case_needs_no_more_than_the_pilot_and_a_noisy_one_the_cap():
    assert pairs_wanted(LATENCY, some_arms(seed=1, pairs=15, noise=1e-4), SETTINGS) == 3
    assert pairs_wanted(LATENCY, some_arms(seed=1, pairs=15, noise=0.08), SETTINGS) == 15


def test_the_first_revision_is_that_of_the_formula():
    arms = some_arms(seed=3, pairs=3, noise=2e-3)
    (contrast,) = contrasts([(LATENCY, arms)], SETTINGS)
    margin = math.log1p(0.01)
    assert 2 * stats.t.ppf(0.99, contrast.freedom) * contrast.error > margin

    def reach(pairs: int) -> float:
        freedom = 2 * (pairs - 2 * int(0.2 * pairs) - 1)
        return 2 * float(stats.t.ppf(0.99, freedom)) * contrast.error * math.sqrt(3 / pairs)

    least = next((pairs for pairs in range(4, 15) if reach(pairs) <= margin), 15)
    assert pairs_wanted(LATENCY, arms, SETTINGS) == min(15, max(5, least))


def test_a_plan_is_revised_at_most_three_times():
    once = Settings(replans=1)
    arms = some_arms(seed=8, pairs=15, noise=4e-3)
    assert 3 < pairs_wanted(LATENCY, arms, once) <= pairs_wanted(LATENCY, arms, SETTINGS) <= 15
    assert pairs_wanted(LATENCY, arms, Settings(replans=0)) == 3


@pytest.mark.parametrize("seed", range(8))
def test_measuring_step_by_step_finds_the_plan_of_the_whole(seed: int):
    arms = some_arms(seed=seed, pairs=15, noise=3e-3)
    have = 0
    while (wanted := pairs_wanted(LATENCY, arms.first(have), SETTINGS)) > have:
        have = wanted
    assert have == pairs_wanted(LATENCY, arms, SETTINGS)


def test_a_stricter_level_asks_for_more():
    arms = some_arms(seed=4, pairs=18, noise=3e-3)
    loose, strict = (plan([(LATENCY, arms)], SETTINGS, alpha, 18)[0].pairs for alpha in (0.01, 0.001))
    assert strict > loose


def test_needed_pairs_grow_with_the_square_of_the_noise_and_end_somewhere():
    quiet, loud = contrasts([(LATENCY, some_arms(seed=1, pairs=15, noise=noise)) for noise in (0.01, 0.02)], SETTINGS)
    few, many = required_pairs(quiet, SETTINGS, 0.01), required_pairs(loud, SETTINGS, 0.01)
    assert few is not None
    assert many is not None
    assert many / few == pytest.approx(4, rel=0.2)
    assert (
        required_pairs(contrasts([(LATENCY, some_arms(seed=1, pairs=3, noise=3.0))], SETTINGS)[0], SETTINGS, 0.01)
        is None
    )
