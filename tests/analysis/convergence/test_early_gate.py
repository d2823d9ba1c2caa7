"""The gate that looks at a training after its first evaluations, against figures worked out by hand."""

import math
from dataclasses import replace

import pytest

from ssdbench.analysis.convergence.early_gate import judge_early
from ssdbench.schema.convergence import ConvergenceVerdict, SeedDistribution
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status
from tests.trainings import a_distribution, a_training, candidates


def early_gate(training: Training, distribution: SeedDistribution, epoch: int) -> ConvergenceVerdict:
    return judge_early(candidates(training), distribution, epoch)


def noisy_early(seed: int, noise: float, drop: float = 0.0, epochs_done: int = 10) -> Training:
    early = {3: 0.15 * math.exp(noise) * (1 - drop), 5: 0.175 * math.exp(noise) * (1 - drop)}
    return a_training(seed, curve={**early, 8: 0.25, 9: 0.25 + seed * 1e-4}, epochs_done=epochs_done)


EARLY = a_distribution([noisy_early(seed, 0.0234 * (seed - 5.5) / 3.0277) for seed in range(1, 11)])


def test_the_gate_by_hand():
    # SD 2.34 %, N = 10, one look of eight at .001: t[.999875, 9] = 5.83, h = 5.83 * .0234 * sqrt(1.1) = 14.3 %.
    verdict = early_gate(noisy_early(99, 0.0, 0.20, epochs_done=6), EARLY, 5)
    assert verdict.status is Status.REGRESSED
    assert verdict.change == pytest.approx(-0.20, abs=1e-6)
    assert math.log1p(verdict.high) - math.log1p(verdict.change) == pytest.approx(0.143, abs=0.001)
    sound = early_gate(noisy_early(99, 0.0, 0.10, epochs_done=6), EARLY, 5)
    assert (sound.status, "never passes" in sound.sentence) == (Status.INCONCLUSIVE, True)
    assert verdict.smallest_detectable_drop == sound.smallest_detectable_drop


def scattered(seed: int, first: float, second: float, drop: float = 0.0) -> Training:
    later = 0.175 * math.exp(second) * (1 - drop)
    return a_training(seed, curve={3: 0.15 * math.exp(first), 5: later, 8: 0.25, 9: 0.25})


def test_an_evaluation_that_scatters_hides_no_drop_of_a_later_one():
    noise = [0.1 * (seed - 5.5) / 3.0277 for seed in range(1, 11)]
    # The second evaluation scatters ten times less than the first, in another order of the seeds.
    seeds = [scattered(number, noise[number], noise[3 * number % 10] / 10) for number in range(10)]
    baseline = a_distribution(seeds)
    verdict = early_gate(scattered(99, 0.0, 0.0, 0.20), baseline, 5)
    assert verdict.status is Status.REGRESSED
    # v = 0.1^2 and 0.01^2, 9 degrees of freedom: ln u apart by ln 100 * 9 / 13, so u1 / u2 = 24.2 and w2 = 0.960.
    assert math.log1p(verdict.change) == pytest.approx(0.960 * math.log(0.8), abs=1e-3)
    # With equal weights the SD would be about 0.05, and no drop below 26 % would be found.
    assert verdict.smallest_detectable_drop < 0.15


def test_the_gate_never_passes_even_what_is_far_too_good():
    assert early_gate(noisy_early(99, 0.0, -0.5), EARLY, 5).status is Status.INCONCLUSIVE


def test_the_gate_looks_no_further_than_its_epoch():
    late_fault = noisy_early(99, 0.0)
    late_fault = replace(late_fault, results=(*late_fault.results[:8], replace(late_fault.results[8], evaluation=None)))
    assert early_gate(late_fault, EARLY, 5).status is Status.INCONCLUSIVE
    assert early_gate(late_fault, EARLY, 8).status is Status.FAILED
    assert early_gate(late_fault, EARLY, 2).change is None
    unfinished = noisy_early(99, 0.0, epochs_done=5)
    assert early_gate(unfinished, EARLY, 5).status is Status.FAILED


def test_the_worst_of_several_seeds_decides_the_gate():
    several = candidates(noisy_early(97, 0.0), noisy_early(98, 0.0, 0.3), noisy_early(99, 0.0))
    verdict = judge_early(several, EARLY, 5)
    assert (verdict.status, "seed 98" in verdict.sentence) == (Status.REGRESSED, True)
