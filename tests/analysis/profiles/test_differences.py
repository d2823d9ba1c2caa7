"""The interval of a difference between arms: its coverage, and that of its smallest detectable difference."""

import math
import random

import pytest
from scipy import stats

from ssdbench.analysis.profiles.differences import FALSE_ALARMS, Difference, total


def drawn(chance: random.Random, launches: int, difference: float) -> Difference:
    """Arms of unequal spread."""
    return Difference(
        baseline=tuple(chance.gauss(10, 0.2) for _ in range(launches)),
        candidate=tuple(chance.gauss(10 + difference, 0.6) for _ in range(launches)),
    )


@pytest.mark.parametrize("launches", [2, 4, 8])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(launches: int) -> None:
    chance, covered = random.Random(launches), 0
    for _ in range(2000):
        change = drawn(chance, launches, 0.5).change()
        covered += change.low <= 0.5 <= change.high
    assert 0.94 <= covered / 2000 <= 0.985  # Welch's is on the safe side with few launches


def test_p_and_interval_are_those_of_welch() -> None:
    found = drawn(random.Random(1), 5, 0.3)
    expected = stats.ttest_ind(found.candidate, found.baseline, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.change().low, found.change().high) == pytest.approx((interval.low, interval.high))


def test_equal_launches_differ_surely_or_not_at_all() -> None:
    assert Difference(baseline=(1.0, 1.0), candidate=(1.0, 1.0)).p == 1.0
    assert Difference(baseline=(1.0, 1.0), candidate=(2.0, 2.0)).p == 0.0


def test_a_single_launch_is_no_evidence() -> None:
    found = Difference(baseline=(1.0,), candidate=(2.0,))
    assert found.p == 1.0
    assert math.isinf(found.change().high)


def test_what_is_just_detectable_is_what_the_first_step_of_holm_rejects() -> None:
    found = Difference(baseline=(1.0, 1.1, 0.9, 1.0), candidate=(1.0, 1.1, 0.9, 1.0))
    least = found.detectable(30)
    just = Difference(baseline=found.baseline, candidate=tuple(value + 1.001 * least for value in found.candidate))
    below = Difference(baseline=found.baseline, candidate=tuple(value + 0.999 * least for value in found.candidate))
    assert just.p < FALSE_ALARMS / 30 < below.p


def test_a_sum_is_taken_launch_by_launch() -> None:
    rows = [
        Difference(baseline=(1.0, 3.0), candidate=(1.0, 2.0)),
        Difference(baseline=(3.0, 1.0), candidate=(5.0, 4.0)),
    ]
    assert total(rows) == Difference(baseline=(4.0, 4.0), candidate=(6.0, 6.0))
