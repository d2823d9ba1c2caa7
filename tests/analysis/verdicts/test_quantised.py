"""Rounded values are noticed where they hide something, and values on a continuous scale never are."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.analysis.history.series import series_of
from ssdbench.analysis.verdicts.compare import compare
from ssdbench.analysis.verdicts.quantised import find_step, quantised_note
from ssdbench.schema.settings import Settings
from tests.builders import a_baseline, a_case, a_run

SPREADS = st.sampled_from([1e-5, 1e-4, 1e-3, 1e-2, 5e-2])
SIZES = st.sampled_from([1e-4, 0.012345, 1.0, 37.7, 2.5e4])
COUNTS = st.tuples(st.integers(0, 12), st.integers(0, 12))
CHANGES = st.sampled_from([0.0, 0.001, 0.01, 0.2])
SEEDS = st.integers(0, 10**9)


def launches(seed: int, counts: tuple[int, int], size: float, spread: float, change: float) -> list[list[float]]:
    draw = random.Random(seed)
    levels = (size, size * (1 + change))
    return [
        [level * math.exp(draw.gauss(0, spread)) for _ in range(count)]
        for level, count in zip(levels, counts, strict=True)
    ]


def rounded(arms: list[list[float]], step: float) -> list[list[float]]:
    return [[round(value / step) * step for value in arm] for arm in arms]


@given(SEEDS, COUNTS, SIZES, SPREADS, CHANGES)
def test_values_on_a_continuous_scale_have_no_step(
    seed: int, counts: tuple[int, int], size: float, spread: float, change: float
) -> None:
    assert find_step(*launches(seed, counts, size, spread, change)) is None


def test_nor_have_a_hundred_thousand_launches_of_a_year() -> None:
    draw = random.Random(1)
    found = [launches(draw.randrange(10**9), (3, 3), 0.1, 1e-3, draw.choice([0.0, 0.003, 0.05])) for _ in range(10_000)]
    assert [arms for arms in found if find_step(*arms)] == []


@given(SEEDS, SIZES, SPREADS, CHANGES, st.sampled_from([1.0, 2.0, 4.0]))
def test_values_rounded_to_their_spread_or_coarser_have_one(
    seed: int, size: float, spread: float, change: float, ratio: float
) -> None:
    step = ratio * spread * size
    arms = rounded(launches(seed, (8, 8), size, spread, change), step)
    if len({value for arm in arms for value in arm}) == 1:
        return  # the verdict says that launches are never equal
    found = find_step(*arms)
    assert found is not None
    assert found.step * size >= step * 0.8  # of the mean, which a change of 20 % moves
    assert found.step == pytest.approx(round(found.step * size / step) * step / size, rel=0.2)


@given(SEEDS, SIZES, CHANGES)
def test_values_rounded_far_finer_than_they_spread_have_none(seed: int, size: float, change: float) -> None:
    assert find_step(*rounded(launches(seed, (8, 8), size, 1e-2, change), 1e-3 * size)) is None


def test_times_that_a_timer_rounds_are_noticed_as_throughput_too() -> None:
    draw = random.Random(2)
    (seconds,) = rounded([[draw.gauss(0.1, 2e-4) for _ in range(6)]], 2e-4)
    assert find_step([64 / value for value in seconds]) is not None


def test_a_rounded_baseline_is_noticed_next_to_a_candidate_with_all_its_digits() -> None:
    draw = random.Random(3)
    exact = [[draw.gauss(100, 0.1) for _ in range(6)] for _ in range(2)]
    assert find_step(*exact) is None
    assert find_step([round(value, 1) for value in exact[0]], exact[1]) is not None


def test_what_cannot_be_known_is_not_said() -> None:
    assert find_step() is None
    assert find_step([1.0, 1.1], [1.2, 1.3]) is None  # four values are too few
    assert find_step([1.0] * 9) is None
    assert find_step([math.nan, 0.0, -1.0, math.inf], [1.0, 2.0]) is None
    assert find_step([5e-324] * 3, [1e-323] * 3) is None


def test_the_note_says_step_spread_and_remedy() -> None:
    assert quantised_note([100.0, 100.1, 100.0, 99.9], [100.3, 100.3, 100.4]) == (
        "the values lie on steps of 0.1%, coarse next to the 0.073% by which they spread: rounded values hide changes; "
        "give them with all their digits, or use a finer timer"
    )
    assert quantised_note([100.0, 100.1234]) == ""
    single = [[value] for value in (20.0, 20.1, 20.0, 20.1, 20.0, 21.0, 21.1, 21.0, 21.1)]
    assert "hide change points" in quantised_note(*single, finds="change points")


@pytest.mark.parametrize("decimals", [4, 12])
def test_compare_and_history_say_it_of_their_cases(decimals: int) -> None:
    draw = random.Random(4)
    runs = [
        a_run((a_case(), [round(draw.gauss(0.1, 1e-4), decimals) for _ in range(3)]), run_id=f"run-{number}")
        for number in range(8)
    ]
    is_rounded = decimals == 4
    (case,) = compare(runs[1], a_baseline(runs[0]), "main", Settings()).cases
    assert any("the values lie on steps" in note for note in case.notes) is is_rounded
    (series,) = series_of(runs, a_case().key)
    assert any("rounded values hide change points" in note for note in series.notes) is is_rounded
