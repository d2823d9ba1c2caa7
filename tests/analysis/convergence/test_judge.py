import math
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.analysis.convergence.early_gate import judge_early
from ssdbench.analysis.convergence.judge import final_epochs, judge
from ssdbench.analysis.convergence.rule import Shift, seeds_needed, shift_of, status_of
from ssdbench.errors import UsageError
from ssdbench.schema.convergence import (
    DEFAULT_CONVERGENCE_SETTINGS as SETTINGS,
)
from ssdbench.schema.convergence import ConvergenceSettings, SeedResult
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status
from tests.trainings import a_distribution, a_training, candidates, some_seeds

PASSES = {Status.UNCHANGED, Status.IMPROVED}
# Student's t from printed tables: t[.99, 4], t[.99, 9], t[.99, 10].
T4, T9, T10 = 3.747, 2.821, 2.764


def judged(*trainings: Training, **changes: Any):
    return judge(candidates(*trainings), a_distribution(), **changes)


def test_one_seed_against_five_by_hand():
    # ln: mean 0, SD sqrt(10 / 4) = 1.5811 (in units); h = 3.747 * 1.5811 * sqrt(1.2) = 6.490.
    shift = shift_of([-2.0, -1.0, 0.0, 1.0, 2.0], [-7.0])
    assert (shift.drop, shift.freedom) == (7.0, 4)
    assert shift.half_width(0.99) == pytest.approx(T4 * math.sqrt(2.5) * math.sqrt(1.2), rel=1e-3)
    assert status_of(shift, SETTINGS) is Status.REGRESSED
    assert status_of(replace(shift, drop=6.0), SETTINGS) is Status.INCONCLUSIVE


def test_two_seeds_are_pooled_by_hand():
    # Squares: 10 and 2; pooled variance 12 / (5 + 2 - 2) = 2.4.
    shift = shift_of([-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0, 1.0])
    assert shift.freedom == 5
    assert shift.error == pytest.approx(math.sqrt(2.4) * math.sqrt(1 / 5 + 1 / 2))


def test_the_own_spread_of_three_seeds_counts_by_hand():
    # Variances 2.5 and 9: 2.5 / 5 + 9 / 3 = 3.5; df = 3.5^2 / (0.5^2 / 4 + 3^2 / 2.5) = 3.345.
    shift = shift_of([-2.0, -1.0, 0.0, 1.0, 2.0], [-3.0, 0.0, 3.0])
    assert shift.error == pytest.approx(math.sqrt(3.5))
    assert shift.freedom == pytest.approx(3.3447, abs=1e-4)


def test_three_seeds_that_look_closer_together_than_the_baseline_are_not_believed():
    # Variances 2.5 and 1, of which 2.5 is taken: 2.5 / 5 + 2.5 / 3 = 1.3333; df = 1.3333^2 / (0.0625 + 0.8333^2 / 2.5).
    shift = shift_of([-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0, 0.0, 1.0])
    assert shift.error == pytest.approx(math.sqrt(4 / 3))
    assert shift.freedom == pytest.approx(5.2245, abs=1e-4)


@pytest.mark.parametrize(
    ("drop", "status"),
    [
        (0.0, Status.UNCHANGED),
        (0.005, Status.UNCHANGED),
        (0.01, Status.INCONCLUSIVE),
        (0.03, Status.REGRESSED),
        (-0.03, Status.IMPROVED),
    ],
)
def test_a_planted_drop_of_one_seed(drop: float, status: Status):
    verdict = judged(a_training(99, 0.25 * (1 - drop)))
    assert verdict.status is status
    assert verdict.change == pytest.approx(-drop, abs=5e-4)
    assert verdict.low < verdict.change < verdict.high
    assert verdict.margin == 0.02


def test_the_interval_is_that_of_the_rule():
    seeds = some_seeds()
    logs = [math.log(seed.results[-1].evaluation.ap) for seed in seeds]
    verdict = judged(a_training(99, 0.24))
    reach = T9 * stdev(logs) * math.sqrt(1.1)
    assert math.log1p(verdict.high) - math.log1p(verdict.low) == pytest.approx(2 * reach, rel=1e-3)
    assert verdict.baseline_ap == pytest.approx(math.exp(fmean(logs)))
    assert verdict.candidate_ap == pytest.approx(0.24)


def test_five_seeds_have_the_finer_margin():
    four, five = some_seeds(4, ap=0.25 * 0.98, first_seed=50), some_seeds(5, ap=0.25 * 0.98, first_seed=50)
    assert judged(*four).margin == 0.02
    verdict = judged(*five)
    assert (verdict.margin, verdict.status) == (0.01, Status.REGRESSED)


def test_seeds_that_spread_more_are_judged_by_their_own_spread_and_said_to():
    drop, offsets = 0.987, (-0.02, 0.0, 0.02)
    even = judged(*(a_training(90 + n, 0.25 * drop * math.exp(x / 5)) for n, x in enumerate(offsets)))
    wide = judged(*(a_training(90 + n, 0.25 * drop * math.exp(x)) for n, x in enumerate(offsets)))
    assert (even.status, wide.status) == (Status.REGRESSED, Status.INCONCLUSIVE)
    assert not [found for found in even.findings if "spread" in found]
    assert (
        wide.findings[0]
        == "the candidate's seeds spread 4.5 times as much as the baseline's, more than chance explains"
    )


@pytest.mark.parametrize(
    ("seeds", "words"), [(1, "one seed cannot show its own"), (2, "2 seeds cannot show their own")]
)
def test_so_few_seeds_cannot_show_their_own_spread(seeds: int, words: str):
    verdict = judged(*some_seeds(seeds, first_seed=50))
    assert verdict.findings[0].startswith(f"{words} spread: that of the baseline is taken")
    assert not [found for found in judged(*some_seeds(3, first_seed=50)).findings if "spread" in found]


def test_better_than_seeds_explain_is_a_finding():
    assert "too good" in judged(a_training(99, 0.27)).findings[0]


def test_q_is_the_mean_of_all_evaluations_after_the_last_decay():
    assert final_epochs(a_training()) == [8, 9]
    curve = {3: 0.1, 5: 0.1, 8: 0.25 * math.exp(0.02), 9: 0.25 * math.exp(-0.02)}
    assert judged(a_training(99, curve=curve)).change == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"decay_epochs": (6, 12)}, [8, 9]),
        ({"validation_epochs": (3, 5)}, [5]),
        ({"decay_epochs": ()}, [9]),
        ({"validation_epochs": ()}, []),
        ({"validation_epochs": (3, 9, 20)}, [9]),
    ],
)
def test_without_an_evaluation_after_the_decay_the_last_one_counts(changes: dict[str, Any], epochs: list[int]):
    assert final_epochs(a_training(**changes)) == epochs


def test_what_is_needed_is_said_and_is_enough():
    verdict = judged(a_training(99, 0.25 * 0.99))
    assert verdict.more_candidate_seeds == 1
    assert "1 more candidate seed would decide it" in verdict.sentence
    wide = a_distribution(some_seeds(10, relative_sd=0.01))
    verdict = judge(candidates(a_training(99, 0.25 * 0.98)), wide)
    assert verdict.more_candidate_seeds is None
    assert f"do not help, {verdict.more_seeds_on_both_sides} more on each side would" in verdict.sentence
    wider = a_distribution(some_seeds(10, relative_sd=0.02))
    assert "100 more seeds on each side would not help" in judge(candidates(a_training(99, 0.245)), wider).sentence


@given(sd=st.floats(1e-4, 0.05), baseline=st.integers(5, 30), few=st.integers(1, 10), drop=st.floats(-0.1, 0.1))
@settings(max_examples=50, deadline=None)
def test_the_seeds_asked_for_decide_whatever_the_estimate(sd: float, baseline: int, few: int, drop: float):
    own = None if few == 1 else sd * few / 4
    shift = Shift(drop=drop, baseline_sd=sd, candidate_sd=own, baseline=baseline, candidates=few)
    alone, both = seeds_needed(shift, SETTINGS)
    assert alone is None or both is None
    for more, side in ((alone, 0), (both, both or 0)):
        if more is not None:
            larger = replace(shift, baseline=baseline + side, candidates=few + more)
            assert status_of(larger, SETTINGS) is not Status.INCONCLUSIVE


@given(st.lists(st.floats(-0.02, 0.02), min_size=5, max_size=8), st.floats(-0.05, 0.05), st.floats(0.2, 2.0))
@settings(max_examples=30, deadline=None)
def test_scaling_all_aps_and_permuting_seeds_change_nothing(noise: list[float], drop: float, factor: float):
    def shifted(scale: float, order: int) -> Shift:
        baseline = [math.log(scale) + value for value in noise][::order]
        return shift_of(baseline, [math.log(scale) + value - drop for value in noise[:3]][::order])

    one, other = shifted(1.0, 1), shifted(factor, -1)
    assert other.drop == pytest.approx(one.drop, abs=1e-12)
    assert other.error == pytest.approx(one.error, abs=1e-9)


@given(
    st.lists(st.floats(-0.02, 0.02), min_size=5, max_size=8, unique=True),
    st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=8),
)
@settings(max_examples=50, deadline=None)
def test_what_regresses_would_improve_if_higher_were_worse(baseline: list[float], here: list[float]):
    mirror = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}
    status = status_of(shift_of(baseline, here), SETTINGS)
    mirrored = status_of(shift_of([-value for value in baseline], [-value for value in here]), SETTINGS)
    assert mirrored is mirror.get(status, status)


@given(st.floats(0.0, 0.05), st.floats(0.0, 0.05), st.integers(3, 12))
@settings(max_examples=50, deadline=None)
def test_more_spread_of_the_candidate_never_narrows_the_interval(one: float, other: float, few: int):
    less, more = (
        Shift(drop=0.0, baseline_sd=0.004, candidate_sd=sd, baseline=10, candidates=few) for sd in sorted((one, other))
    )
    assert more.half_width(0.99) >= less.half_width(0.99) * (1 - 1e-12)


@given(st.lists(st.floats(-0.02, 0.02), min_size=5, max_size=8, unique=True), st.floats(-0.05, 0.05))
@settings(max_examples=50, deadline=None)
def test_swapped_sides_of_equal_size_are_the_mirror(noise: list[float], drop: float):
    here = [value - drop for value in noise]
    mirror = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}
    status = status_of(shift_of(noise, here), SETTINGS)
    assert status_of(shift_of(here, noise), SETTINGS) is mirror.get(status, status)


def broken(number: int, factor: float) -> Training:
    sound = a_training(99, 0.25 * factor)
    last = sound.results[-1]
    assert last.evaluation
    return (
        a_training(99, 0.25 * factor, epochs_done=9),
        replace(sound, results=sound.results[:4] + sound.results[5:]),
        replace(sound, results=(*sound.results[:-1], replace(last, evaluation=None))),
        replace(sound, results=(*sound.results[:-1], replace(last, losses=(math.nan,)))),
        replace(sound, results=(replace(sound.results[0], losses=(1.0, math.inf)), *sound.results[1:])),
        replace(sound, results=(*sound.results[:-1], replace(last, evaluation=replace(last.evaluation, ap=math.nan)))),
        replace(sound, results=(*sound.results[:-1], replace(last, evaluation=replace(last.evaluation, ap=-1.0)))),
        replace(sound, results=(*sound.results[:-1], replace(last, evaluation=replace(last.evaluation, images=8)))),
        replace(sound, results=()),
    )[number]


@pytest.mark.parametrize("number", range(9))
@given(factor=st.floats(0.5, 2.0))
@settings(max_examples=5, deadline=None)
def test_no_noise_turns_a_broken_training_into_a_pass(number: int, factor: float):
    assert judged(broken(number, factor)).status is Status.FAILED
    assert judged(a_training(98), broken(number, factor), a_training(97)).status is Status.FAILED


def test_a_failure_is_no_pass_even_with_a_whole_curve():
    [sound] = candidates(a_training(99))
    verdict = judge([replace(sound, failure="the disk was full")], a_distribution())
    assert verdict.status is Status.FAILED
    assert "seed 99: the disk was full" in verdict.sentence
    nothing = SeedResult(launch=3, training=None, failure="the worker ended with exit code 9")
    assert judge([nothing], a_distribution()).status is Status.FAILED


def test_ap_zero_where_every_seed_had_more_is_regressed_at_once():
    stuck = a_training(99, curve={3: 0.0}, epochs_done=4)
    verdict = judge(candidates(stuck), a_distribution())
    assert verdict.status is Status.REGRESSED
    assert "AP 0 after epoch 3" in verdict.sentence
    assert judge_early(candidates(stuck), a_distribution(), 3).status is Status.REGRESSED


def test_ap_zero_beside_seeds_that_learned_next_to_nothing_is_inconclusive():
    poor = a_distribution(some_seeds(10, ap=0.01))
    zero = a_training(99, curve={3: 0.0, 5: 0.0, 8: 0.0, 9: 0.0})
    verdict = judge(candidates(zero), poor)
    assert (verdict.status, verdict.change) == (Status.INCONCLUSIVE, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workload_version": 2}, "workload version 1 -> 2"),
        ({"evaluated_images": 8}, "images per evaluation 16 -> 8"),
        ({"epoch_images": 32}, "images per epoch (global) 64 -> 32"),
        ({"protocol": "published"}, "evaluation protocol every-image -> published"),
        ({"decay_epochs": (6,)}, "decay epochs 6,8 -> 6"),
        ({"backbone_weights": "IMAGENET1K_V1"}, "backbone weights none -> IMAGENET1K_V1"),
        ({"dataset": None}, "images f00d -> none"),
    ],
)
def test_another_recipe_is_incomparable_and_the_difference_is_named(changes: dict[str, Any], words: str):
    verdict = judge(candidates(a_training(99), **changes), a_distribution())
    assert verdict.status is Status.INCOMPARABLE
    assert words in verdict.sentence


def test_a_baseline_that_is_no_distribution_clears_nothing():
    few = judge(candidates(a_training(99)), a_distribution(some_seeds(4)))
    assert (few.status, "needs 5 at least" in few.sentence) == (Status.INCONCLUSIVE, True)
    torn = a_distribution([*some_seeds(9), a_training(10, epochs_done=3)])
    assert judge(candidates(a_training(99)), torn).status is Status.INCOMPARABLE
    same = a_distribution([a_training(seed) for seed in range(10)])
    equal = judge(candidates(a_training(99)), same)
    assert (equal.status, "exactly equal" in equal.sentence) == (Status.INCONCLUSIVE, True)
    twice = a_distribution([*some_seeds(9), a_training(1, 0.251)])
    assert judge(candidates(a_training(99)), twice).status is Status.INCOMPARABLE


def test_nothing_trained_and_a_seed_trained_twice_are_no_pass():
    assert judge([], a_distribution()).status is Status.NOT_RUN
    assert judged(a_training(99), a_training(99, 0.2501)).status is Status.INCONCLUSIVE


def test_an_own_seed_of_the_baseline_and_a_resumed_one_are_findings():
    own = a_distribution().seeds[4]
    assert any("baseline's own" in found for found in judged(own).findings)
    assert any("resumed (3 starts)" in found for found in judged(a_training(99, starts=3)).findings)


def test_a_higher_loss_is_reported_and_decides_nothing():
    verdict = judged(a_training(99, loss_factor=1.1))
    assert verdict.status is Status.UNCHANGED
    assert any("is 10.0% higher" in found for found in verdict.findings)
    assert not [found for found in judged(a_training(99)).findings if "mean loss" in found]


def test_a_setting_out_of_range_is_refused():
    with pytest.raises(UsageError, match="confidence = 1 is not"):
        ConvergenceSettings(confidence=1.0)
