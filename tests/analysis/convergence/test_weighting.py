"""Weights of evaluations and the spread of the weighted mean: by hand, against a plain loop, and their invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ssdbench.analysis.convergence.weighting import baseline_weights, prediction_sd, weights


def some_curves(seeds: int, evaluations: int, number: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(number)
    return rng.normal(-1.5, 1.0, (seeds, evaluations)) * rng.uniform(0.01, 0.2, evaluations)


def test_weights_by_hand():
    # ln u: half of ln v and half of the mean, as 4 of 8 degrees of freedom are the mean's: ln 4 becomes 0.75 ln 4, ln 1
    # becomes 0.25 ln 4, so u is 2 to 1.
    assert weights(np.array([4.0, 1.0]), 4) == pytest.approx([1 / 3, 2 / 3])
    # With very many seeds they are 1 / v.
    assert weights(np.array([4.0, 1.0]), 10**9) == pytest.approx([0.2, 0.8])


def test_an_evaluation_at_which_all_seeds_agree_is_not_certain():
    # The mean of the variances is 0.5, of which 1e-4 is the least that is believed.
    assert weights(np.array([0.0, 1.0]), 10**9)[1] == pytest.approx(5e-5 / (1 + 5e-5))
    assert weights(np.array([0.0, 0.0]), 9) == pytest.approx([0.5, 0.5])


def test_of_one_evaluation_the_spread_is_the_standard_deviation():
    curves = some_curves(7, 1)
    assert prediction_sd(curves) == pytest.approx(curves.std(ddof=1))
    assert baseline_weights(curves) == pytest.approx([1.0])


def test_of_evaluations_that_say_the_same_it_is_that_of_each():
    curves = np.hstack([some_curves(7, 1)] * 3)
    assert prediction_sd(curves) == pytest.approx(curves[:, 0].std(ddof=1))


@pytest.mark.parametrize("seeds", [5, 10])
def test_each_seed_is_predicted_from_the_others_alone(seeds: int):
    curves = some_curves(seeds, 4)
    errors = []
    for seed in range(seeds):
        others = np.delete(curves, seed, axis=0)
        errors.append((others.mean(axis=0) - curves[seed]) @ baseline_weights(others))
    expected = np.sqrt((seeds - 1) / seeds * np.mean(np.square(errors)))
    assert prediction_sd(curves) == pytest.approx(expected)


def test_many_studies_are_computed_as_each_by_itself():
    studies = np.stack([some_curves(6, 3, number) for number in range(4)])
    assert prediction_sd(studies) == pytest.approx([float(prediction_sd(study)) for study in studies])
    assert baseline_weights(studies) == pytest.approx(np.stack([baseline_weights(study) for study in studies]))


@given(seeds=st.integers(5, 15), evaluations=st.integers(1, 8), number=st.integers(0, 99), scale=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_scale_level_and_order_of_seeds_change_no_weight(seeds: int, evaluations: int, number: int, scale: float):
    curves = some_curves(seeds, evaluations, number)
    changed = scale * (curves[::-1] + np.arange(evaluations))
    assert baseline_weights(changed) == pytest.approx(baseline_weights(curves), rel=1e-6)
    assert prediction_sd(changed) == pytest.approx(scale * prediction_sd(curves), rel=1e-6)
    assert baseline_weights(curves).sum() == pytest.approx(1.0)
