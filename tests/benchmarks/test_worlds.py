"""Simulated launches: what each property of a world does to them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.verdicts.noise import PUBLISHED, Floats, launch_sds, residuals
from benchmarks.verdicts.world import Drawn, Supply, World

RUNS, PAIRS, FRESH = 20, 15, 18


def drawn(runs: int = RUNS, **properties: Any) -> Drawn:
    world = World(**{"name": "x", "launch_sds": (1e-16,), **properties})
    return world.draw(np.random.default_rng(3), runs, PAIRS, FRESH)


def in_order(pairs: Drawn) -> Floats:
    """The launches of each case as they were taken, of both stages: (runs, cases, launches)."""
    first = np.concatenate([pairs.candidate_first, pairs.fresh_candidate_first], axis=-1)
    baseline = np.concatenate([pairs.baseline, pairs.fresh_baseline], axis=-1)
    candidate = np.concatenate([pairs.candidate, pairs.fresh_candidate], axis=-1)
    taken = np.stack([np.where(first, candidate, baseline), np.where(first, baseline, candidate)], axis=-1)
    return taken.reshape(*first.shape[:2], -1)


def lag_one(values: Floats) -> float:
    return float(np.mean(values[..., 1:] * values[..., :-1]) / np.mean(values**2))


def test_launch_sds_have_the_published_quantiles():
    found = 100 * launch_sds(np.random.default_rng(1), 200_000, "ssd")
    assert np.quantile(found, (0.25, 0.50, 0.75, 0.90, 0.95)) == pytest.approx(PUBLISHED["ssd"].quantiles, rel=0.03)


@pytest.mark.parametrize(("skew", "skewness", "excess"), [(0, 0.0, 0.86), (1, 2**0.5, 3.0), (-1, -(2**0.5), 3.0)])
def test_residuals_are_standardised_and_have_their_tails(skew: int, skewness: float, excess: float):
    found = residuals(np.random.default_rng(1), (500_000,), skew=skew)
    assert (found.mean(), found.std()) == pytest.approx((0.0, 1.0), abs=0.01)
    assert (np.mean(found**3), np.mean(found**4) - 3) == pytest.approx((skewness, excess), abs=0.25)


def test_three_degrees_of_freedom_have_the_tails_of_student():
    found = residuals(np.random.default_rng(1), (500_000,), freedom=3)
    # P(|t| > 4 sqrt(3)) with 3 degrees of freedom
    assert np.mean(np.abs(found) > 4) == pytest.approx(0.0062, rel=0.1)


def test_changed_cases_come_first_and_differ_by_the_change():
    pairs = drawn(cases=10, changed=3, change=0.2)
    difference = np.log1p(0.2) * (np.arange(10) < 3)
    assert np.allclose(pairs.candidate - pairs.baseline, difference[:, None])
    assert pairs.fresh_candidate.mean(axis=-1) - pairs.fresh_baseline.mean(axis=-1) == pytest.approx(pairs.changes)
    assert pairs.changes == pytest.approx(np.broadcast_to(difference, (RUNS, 10)))


def test_mixed_changes_take_turns():
    size = np.log1p(0.2)
    assert drawn(cases=5, changed=4, change=0.2, mixed=True).changes[0] == pytest.approx([size, -size, size, -size, 0])


def test_launch_sds_are_those_of_the_cases_in_turn():
    pairs = drawn(200, cases=3, launch_sds=(0.001, 0.02))
    assert pairs.baseline.std(axis=(0, 2)) == pytest.approx([0.001, 0.02, 0.001], rel=0.1)


def test_the_order_alternates_from_a_random_start_for_each_case_and_stage():
    pairs = drawn()
    for first in (pairs.candidate_first, pairs.fresh_candidate_first):
        assert (first[..., 1:] != first[..., :-1]).all()
        assert 0.45 < first[..., 0].mean() < 0.55
    assert 0.45 < (pairs.candidate_first[..., 0] == pairs.fresh_candidate_first[..., 0]).mean() < 0.55


def test_a_coin_draws_the_order_of_every_pair():
    first = drawn(coin=True).candidate_first
    assert 0.48 < first.mean() < 0.52
    assert 0.48 < (first[..., 1:] != first[..., :-1]).mean() < 0.52


def test_an_order_effect_slows_whichever_arm_is_second():
    pairs = drawn(order_effect=0.01)
    difference = np.where(pairs.candidate_first, -np.log1p(0.01), np.log1p(0.01))
    assert np.allclose(pairs.candidate - pairs.baseline, difference)
    assert np.allclose(in_order(pairs)[..., 1::2], np.log1p(0.01))


def test_drift_and_ramp_go_through_both_stages():
    assert np.allclose(in_order(drawn(drift=0.01)), np.log1p(0.01) * np.arange(2 * (PAIRS + FRESH)))
    ramp = in_order(drawn(ramp=0.02))[0, 0]
    assert ramp[[0, 4, 8]] == pytest.approx(np.log1p(0.02) * np.exp([0, -1, -2]))


def test_a_walk_has_steps_of_its_size_from_launch_to_launch():
    steps = np.diff(in_order(drawn(walk=0.001)), axis=-1)
    assert steps.std() == pytest.approx(0.001, rel=0.02)
    assert lag_one(steps) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("rho", [0.5, -0.5])
def test_autocorrelation_is_between_successive_launches(rho: float):
    taken = in_order(drawn(launch_sds=(0.01,), autocorrelation=rho))
    assert lag_one(taken) == pytest.approx(rho, abs=0.02)
    assert taken.std() == pytest.approx(0.01, rel=0.02)


def test_noise_grows_with_every_launch():
    spread = in_order(drawn(200, launch_sds=(0.01,), growth=0.1)).std(axis=(0, 1))
    assert spread == pytest.approx(0.01 * (1 + 0.1 * np.arange(2 * (PAIRS + FRESH))), rel=0.05)


@pytest.mark.parametrize(("share", "stay"), [(0.1, None), (0.5, None), (0.5, 6.0), (0.1, 6.0)])
def test_states_have_their_share_and_length(share: float, stay: float | None):
    taken = in_order(drawn(60, fast_share=share, fast_by=0.02, stay=stay))
    fast = taken < np.log1p(-0.01)
    assert np.allclose(taken, fast * np.log1p(-0.02))
    assert fast.mean() == pytest.approx(share, rel=0.05)
    left = fast[..., :-1] & ~fast[..., 1:]
    assert left.sum() / fast[..., :-1].sum() == pytest.approx(1 / (stay or 1 / (1 - share)), rel=0.05)


def test_what_is_machine_wide_goes_on_from_case_to_case():
    taken = in_order(drawn(walk=0.001, machine_wide=True)).reshape(RUNS, 100, -1, 2)
    of_the_run = taken.swapaxes(1, 2).reshape(RUNS, -1)  # all cases take turns by pairs
    assert np.diff(of_the_run, axis=-1).std() == pytest.approx(0.001, rel=0.02)
    assert np.diff(taken[..., 0], axis=-1).std() == pytest.approx(0.001 * 200**0.5, rel=0.05)
    states = in_order(drawn(fast_share=0.5, fast_by=0.01, stay=6.0, machine_wide=True)) < -0.005
    pairs = states.reshape(RUNS, 100, -1, 2)
    assert (pairs[..., 0] != pairs[..., 1]).mean() == pytest.approx(1 / 6, rel=0.05)
    assert (pairs[:, :, 1:, 0] != pairs[:, :, :-1, 0]).mean() == pytest.approx(1 / 2, rel=0.05)


def test_a_noisier_candidate_is_noisier_alone():
    pairs = drawn(launch_sds=(0.01,), candidate_noise=3.0)
    assert (pairs.baseline.std(), pairs.candidate.std()) == pytest.approx((0.01, 0.03), rel=0.05)


def test_disturbed_launches_have_their_share():
    taken = in_order(drawn(contamination=0.05))
    assert np.mean(taken > 1e-6) == pytest.approx(0.05, rel=0.05)
    assert 0.15 < np.expm1(taken.max()) < 0.16


def test_rounded_values_lie_on_steps_of_their_size():
    taken = in_order(drawn(launch_sds=(0.02,), rounding=(0.005, 0.005)))
    values = np.exp(taken)
    assert np.allclose(values / 0.005, np.round(values / 0.005))
    assert len(np.unique(np.round(values[0, 0] / 0.005))) > 5
    # The value of a case lies anywhere between two steps: were it on one, no launch of a quiet case would differ.
    quiet = np.exp(in_order(drawn(launch_sds=(0.0005,), rounding=(0.005, 0.005))))
    varies = (quiet.max(axis=-1) > quiet.min(axis=-1)).mean()
    assert 0.2 < varies < 0.8
    absolute = np.exp(in_order(drawn(launch_sds=(0.02,), rounding=(1e-4, 1e-2))))
    gaps = [np.diff(np.unique(np.round(case, 9))).min() for case in absolute.reshape(-1, absolute.shape[-1])]
    assert np.quantile(gaps, (0.02, 0.98)) == pytest.approx((1e-4, 1e-2), rel=0.5)


def test_the_mean_of_a_launch_has_the_launch_sd_whether_steps_are_asked_for_or_not():
    supply = Supply(World(name="x", launch_sds=(0.01,)), np.random.default_rng(3), 4)
    assert supply.stored(100).std() == pytest.approx(0.01, rel=0.05)
    assert np.log(supply.stored(100, steps=60)).mean(axis=-1).std() == pytest.approx(0.01, rel=0.05)


def test_sessions_drift_and_both_builds_of_one_drift_alike():
    world = World(name="x", launch_sds=(1e-16,), session_drift=0.01, changed=100, change=0.1)
    supply = Supply(world, np.random.default_rng(3), 50)
    earlier, baseline, candidate = supply.stored(2), supply.baseline(2), supply.candidate(2)
    assert (earlier - baseline).std() == pytest.approx(0.01 * 2**0.5, rel=0.05)
    assert np.allclose(candidate - baseline, np.log1p(0.1))


def test_equal_seeds_are_equal_launches():
    world = World(name="x", fast_share=0.5, fast_by=0.01, walk=0.001)
    first, again = (in_order(world.draw(np.random.default_rng(5), 2, 5, 5)) for _ in range(2))
    assert (first == again).all()
    other = replace(world, order_effect=0.1)
    assert (first[..., ::2] == in_order(other.draw(np.random.default_rng(5), 2, 5, 5))[..., ::2]).all()
