"""Which phase a change is laid to, worked out by hand."""

from typing import cast

import pytest

from ssdbench.analysis.verdicts.explain import explanation, phase_pairs
from ssdbench.schema.record import Measurement, PhaseTimes
from ssdbench.schema.report import PhasePair
from tests.builders import a_measurement


def launch(**seconds: tuple[float, ...]) -> Measurement:
    return a_measurement(phases=tuple(PhaseTimes(name=name, seconds=values) for name, values in seconds.items()))


def pairs(**milliseconds: tuple[float, float]) -> list[PhasePair]:
    return [PhasePair(name=name, baseline=a / 1e3, candidate=b / 1e3) for name, (a, b) in milliseconds.items()]


def test_a_phase_is_the_median_launch_of_median_steps_and_one_slow_step_is_none():
    there = [launch(fetch=(0.1, 0.1, 9.0), forward=(0.2,)), launch(fetch=(0.3,), forward=(0.4,))]
    here = [launch(fetch=(0.1,), forward=(0.5,)), launch(fetch=(0.2,), forward=(0.5,)), launch(fetch=(8.0,))]
    assert phase_pairs(there, here) == (
        PhasePair(name="fetch", baseline=cast(float, pytest.approx(0.2)), candidate=0.2),
        PhasePair(name="forward", baseline=cast(float, pytest.approx(0.3)), candidate=0.5),
    )


def test_a_phase_of_one_side_stays_and_is_blamed_for_nothing():
    found = phase_pairs([a_measurement()], [launch(fetch=(0.1,), forward=(0.2,))])
    assert [(pair.baseline, pair.candidate) for pair in found] == [(None, 0.1), (None, 0.2)]
    assert explanation(found, 0.1) == ""


def test_the_phase_with_nearly_all_of_the_change_is_the_only_one_named():
    phases = pairs(fetch=(1.0, 1.1), forward=(30.0, 30.6), backward=(60.0, 69.1))
    assert explanation(phases, 9.6e-3) == "of +9.8 ms a step, backward has +9.1 ms (93%)"


def test_phases_are_named_until_four_fifths_are_told_and_gains_count_against():
    phases = pairs(forward=(30.0, 25.0), loss=(5.0, 6.0), backward=(60.0, 57.0))
    assert explanation(phases, -6.5e-3) == "of -7.0 ms a step, forward has -5.0 ms (71%), backward -3.0 ms (43%)"


@pytest.mark.parametrize("step_change", [9.8e-3, -1.0e-3])
def test_a_change_that_the_phases_do_not_show_is_laid_to_none_of_them(step_change: float):
    found = explanation(pairs(forward=(30.0, 30.1), backward=(60.0, 60.1)), step_change)
    assert found.startswith(f"a step takes {1e3 * step_change:+.1f} ms, its phases one by one +0.20 ms: ")
    assert " has " not in found


@pytest.mark.parametrize("step_change", [None, 0.0])
def test_without_a_change_or_with_one_phase_there_is_nothing_to_say(step_change: float | None):
    assert explanation(pairs(forward=(30.0, 31.0), backward=(60.0, 60.1)), step_change) == ""
    assert explanation(pairs(fetch=(30.0, 31.0)), 1e-3) == ""
