"""Change points against the rates that the study of noise found: none on noise, and steps where they are."""

import random

import pytest

from ssdbench.analysis.history.change_points import change_between, levels, segments


def noise(seed: int, *level: float, sd: float = 0.005) -> list[float]:
    draw = random.Random(seed)
    return [value * (1 + draw.gauss(0, sd)) for value in level]


def step(change: float, count: int = 60) -> list[float]:
    return [100.0] * (count // 2) + [100.0 * (1 + change)] * (count - count // 2)


def test_white_noise_of_60_points_raises_no_alarm():
    assert sum(bool(levels(noise(seed, *step(0.0))).breaks) for seed in range(100)) <= 1


@pytest.mark.parametrize("change", [0.05, -0.05, 0.1])
def test_a_step_in_the_middle_is_found_where_it_is(change: float):
    found = [levels(noise(seed, *step(change), sd=0.01)).breaks for seed in range(50)]
    assert sum(len(breaks) == 1 and abs(breaks[0] - 30) <= 1 for breaks in found) >= 48


def test_a_small_step_is_found_where_the_noise_is_small_and_not_where_it_is_large():
    quiet = sum(bool(levels(noise(seed, *step(0.01), sd=0.0025)).breaks) for seed in range(50))
    loud = sum(bool(levels(noise(seed, *step(0.01), sd=0.02)).breaks) for seed in range(50))
    assert quiet == 50
    assert loud <= 2


def test_several_steps_are_all_found():
    level = [100.0] * 20 + [110.0] * 20 + [104.0] * 20
    assert levels(noise(3, *level)).breaks == (20, 40)


def test_a_break_of_less_than_half_a_per_cent_is_dropped():
    assert levels(noise(1, *step(0.004), sd=0.0002)).breaks == ()
    assert levels(noise(1, *step(0.007), sd=0.0002)).breaks == (30,)


def test_scaling_moves_no_break():
    values = noise(5, *step(0.05))
    assert levels(values).breaks == levels([1e-3 * value for value in values]).breaks


@pytest.mark.parametrize(("count", "note"), [(1, "1 point: "), (5, "5 points: change points are looked for from 6 on")])
def test_too_few_points_are_a_sentence(count: int, note: str):
    answer = levels([100.0] * count)
    assert answer.breaks == ()
    assert answer.note
    assert answer.note.startswith(note)


@pytest.mark.parametrize("values", [[100.0] * 10, [0.1 * 3] * 5 + [0.3] * 5, [100.0] * 10 + [90.0] * 10])
def test_without_any_noise_nothing_is_marked_and_that_is_said(values: list[float]):
    answer = levels(values)
    assert answer.breaks == ()
    assert answer.note
    assert "no noise to tell a change from" in answer.note


def test_segments_and_their_change():
    assert segments(10, [3, 7]) == [range(3), range(3, 7), range(7, 10)]
    assert change_between([1.0, 2.0, 4.0], [3.0]) == pytest.approx(0.5)
