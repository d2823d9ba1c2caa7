import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssdbench.analysis.verdicts.contrast import contrasts, holm, prediction, quantile, tail
from ssdbench.schema.launch_values import Arms
from ssdbench.schema.settings import Settings
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT, some_arms

SETTINGS = Settings()


@pytest.mark.parametrize(("pairs", "seed"), [(2, 1), (3, 2), (5, 3), (10, 4), (15, 5)])
def test_a_contrast_is_the_welch_yuen_test_of_scipy(pairs: int, seed: int):
    arms = some_arms(seed=seed, pairs=pairs, noise=5e-3, change=0.01)
    (found,) = contrasts([(LATENCY, arms)], SETTINGS)
    test = stats.ttest_ind(np.log(arms.candidate), np.log(arms.baseline), equal_var=False, trim=0.2)
    assert found.estimate / found.error == pytest.approx(test.statistic)
    assert found.freedom == pytest.approx(test.df)
    assert 2 * found.p_beyond() == pytest.approx(test.pvalue)


def test_the_error_is_known_also_where_the_estimate_is_zero():
    arms = Arms(baseline=(1.0, 1.01, 1.03), candidate=(1.03, 1.0, 1.01))
    (found,) = contrasts([(LATENCY, arms)], SETTINGS)
    logs = np.log(arms.baseline)
    assert found.estimate == pytest.approx(0.0, abs=1e-15)
    assert found.error == pytest.approx(math.sqrt(2 * logs.var(ddof=1) / 3))


def test_many_cases_at_once_are_the_same_as_each_alone():
    cases = [(LATENCY, some_arms(seed=n, pairs=3 + n % 4)) for n in range(12)]
    assert contrasts(cases, SETTINGS) == [contrasts([case], SETTINGS)[0] for case in cases]


def test_the_error_is_never_below_the_noise_that_a_launch_is_taken_to_have():
    (found,) = contrasts([(LATENCY, Arms(baseline=(1.0,) * 4, candidate=(1.0,) * 4))], SETTINGS)
    assert found.error == pytest.approx(2e-4 * math.sqrt(2 / 4))
    assert (found.varies, found.freedom) == (False, 6)


def test_worse_is_positive_in_either_direction():
    arms = Arms(baseline=(1.0, 1.001), candidate=(1.1, 1.101))
    slower, more = contrasts([(LATENCY, arms), (THROUGHPUT, arms)], SETTINGS)
    assert slower.estimate == pytest.approx(-more.estimate)
    assert slower.estimate > 0


def test_one_launch_has_a_prediction_interval_and_swapping_mirrors_it():
    arms = Arms(baseline=(1.0, 1.02, 1.04), candidate=(1.1,))
    there = prediction(LATENCY, arms, SETTINGS)
    back = prediction(LATENCY, Arms(baseline=arms.candidate, candidate=arms.baseline), SETTINGS)
    logs = np.log(arms.baseline)
    assert there.error == pytest.approx(logs.std(ddof=1) * math.sqrt(1 + 1 / 3))
    assert there.freedom == 2
    assert back == there.mirrored()


@given(st.floats(0.51, 0.999), st.floats(1.0, 100.0))
def test_quantiles_and_tails_are_those_of_students_t(probability: float, freedom: float):
    assert quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom))
    assert tail(1.5, freedom) == pytest.approx(stats.t.sf(1.5, freedom))


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # Of pingouin's documentation of multicomp.
        ((0.50, 0.003, 0.32, 0.054, 0.0003), (0.64, 0.012, 0.64, 0.162, 0.0015)),
        # Of stdlib's documentation of padjust, which follows p.adjust of R.
        ((0.319, 0.201, 0.4, 0.374, 0.113), (0.957, 0.804, 0.957, 0.957, 0.565)),
        # The fifteen of Benjamini and Hochberg (1995), section 3.2; adjusted by statsmodels 0.15.0.
        (
            (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262),
            (0.0011, 0.0040, 0.0171, 0.0760, 0.1407, 0.1668, 0.1668, 0.1668, 0.1668, 0.648, 0.648),
        ),
    ],
)
def test_holm_rejects_from_the_adjusted_p_values_of_other_programs_on(
    p_values: tuple[float, ...], adjusted: tuple[float, ...]
) -> None:
    hypotheses = {str(number): p for number, p in enumerate(p_values)}
    for alpha in (*(0.99 * p for p in adjusted), *(1.01 * p for p in adjusted)):
        expected = {str(number) for number, p in enumerate(adjusted) if p <= alpha}
        assert holm(hypotheses, alpha) == expected, alpha


@given(st.lists(st.floats(0, 0.03), max_size=6), st.sampled_from([0.01, 0.05]))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float], alpha: float) -> None:
    # The definition: reject what every set of hypotheses that holds it rejects together.
    hypotheses = {str(number): p for number, p in enumerate(p_values)}
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in itertools.combinations(hypotheses, size)]
    rejected = [set(chosen) for chosen in sets if min(hypotheses[name] for name in chosen) <= alpha / len(chosen)]
    expected = {name for name in hypotheses if all(set(chosen) in rejected for chosen in sets if name in chosen)}
    assert holm(hypotheses, alpha) == expected


def test_holm_steps_down():
    assert holm({"a": 0.001, "b": 0.004, "c": 0.5}, 0.01) == {"a", "b"}
    assert holm({"a": 0.004, "b": 0.004, "c": 0.5}, 0.01) == set()
    assert holm({}, 0.01) == set()
