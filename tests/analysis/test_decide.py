import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.analysis.decide import DEFAULT_MARGIN, decide, middle
from ssdbench.errors import UsageError
from ssdbench.schema.verdict import METRICS, Direction, Settings, Status, Verdict

THROUGHPUT, LATENCY = METRICS["throughput"], METRICS["latency_p50"]
SETTINGS = Settings(margin=0.05)
MIRROR = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}

seconds = st.floats(min_value=1e-4, max_value=1e4)
launches = st.lists(seconds, min_size=1, max_size=6)
margins = st.floats(min_value=0.001, max_value=0.9)
metrics = st.sampled_from(sorted(METRICS.values(), key=lambda metric: metric.name))


def throughputs(baseline: tuple[float, ...], measured: tuple[float, ...], margin: float = 0.05) -> Verdict:
    return decide(THROUGHPUT, baseline, measured, Settings(margin=margin))


def test_a_fifth_less_throughput_is_a_regression_and_a_fifth_more_an_improvement():
    assert throughputs((20.0, 20.1, 19.9), (16.0, 16.1, 15.9)).status is Status.REGRESSED
    assert throughputs((20.0, 20.1, 19.9), (24.0, 24.1, 23.9)).status is Status.IMPROVED


def test_a_fifth_more_latency_is_a_regression_and_a_fifth_less_an_improvement():
    assert decide(LATENCY, (0.10, 0.101), (0.12, 0.121), SETTINGS).status is Status.REGRESSED
    assert decide(LATENCY, (0.12, 0.121), (0.10, 0.101), SETTINGS).status is Status.IMPROVED


def test_launches_within_the_margin_are_unchanged():
    verdict = throughputs((20.0, 20.1, 19.9), (20.1, 20.0, 20.2))
    assert verdict.status is Status.UNCHANGED
    assert verdict.change == pytest.approx(0.005)
    assert verdict.low == pytest.approx(20.0 / 20.1 - 1)
    assert verdict.high == pytest.approx(20.2 / 19.9 - 1)


def test_equal_middles_are_not_unchanged_where_the_launches_spread_beyond_the_margin():
    verdict = throughputs((20.0, 15.0, 25.0), (20.0, 16.0, 24.0))
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.change == 0.0
    assert verdict.launches_needed is None
    assert "more launches cannot narrow these bounds" in verdict.sentence


def test_a_change_across_the_margin_is_inconclusive():
    assert throughputs((20.0, 20.2), (19.1, 18.8)).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("baseline", "measured"), [((20.0,), (10.0, 10.0)), ((20.0, 20.0), (10.0,)), ((20.0,), (10.0,))]
)
def test_one_launch_on_a_side_is_never_enough(baseline: tuple[float, ...], measured: tuple[float, ...]):
    verdict = throughputs(baseline, measured)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.change == pytest.approx(-0.5)
    assert (verdict.low, verdict.high, verdict.launches_needed) == (None, None, 2)
    assert "at least 2 on each side" in verdict.sentence


def test_fewer_than_two_launches_cannot_be_allowed_by_settings():
    lenient = Settings(margin=0.05, minimum_launches=1)
    assert decide(THROUGHPUT, (20.0,), (20.0,), lenient).status is Status.INCONCLUSIVE


def test_more_launches_can_be_required_by_settings():
    strict = Settings(margin=0.05, minimum_launches=4)
    verdict = decide(THROUGHPUT, (20.0,) * 3, (20.0,) * 3, strict)
    assert (verdict.status, verdict.launches_needed) == (Status.INCONCLUSIVE, 4)


def test_no_launch_at_all_is_inconclusive():
    assert throughputs((), ()).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_value_that_cannot_be_is_inconclusive_and_named(bad: float):
    verdict = throughputs((20.0, 20.0), (20.0, bad))
    assert verdict.status is Status.INCONCLUSIVE
    assert f"a measured launch has a global throughput of {bad:g} images/s" in verdict.sentence
    assert verdict.measured_value == 20.0


def test_a_verdict_carries_what_it_rests_on():
    verdict = throughputs((20.0, 20.1, 19.9), (16.0, 16.1))
    assert (verdict.baseline_value, verdict.baseline_launches, verdict.measured_launches) == (20.0, 3, 2)
    assert verdict.settings == SETTINGS
    assert verdict.smallest_detectable_change is not None
    assert verdict.smallest_detectable_change > 0.05
    assert verdict.sentence == (
        "global throughput fell by 19.8%, between -20.4% and -19.1%: worse by more than the margin of 5%"
    )


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, 5.0, math.nan])
def test_a_margin_that_is_no_fraction_is_refused(margin: float):
    with pytest.raises(UsageError, match=r"0\.05 for 5 %"):
        Settings(margin=margin)


def test_the_default_margin_is_a_fraction():
    assert Settings(margin=DEFAULT_MARGIN).margin == 0.05


def test_the_middle_of_two_launches_is_their_geometric_mean():
    assert middle((4.0, 1.0)) == 2.0
    assert middle((3.0, 1.0, 2.0)) == 2.0
    assert middle((math.nan, 0.0)) is None


@given(metrics, launches, launches, margins)
def test_swapping_the_sides_mirrors_the_verdict(metric, baseline, measured, margin):
    there = decide(metric, baseline, measured, Settings(margin=margin))
    back = decide(metric, measured, baseline, Settings(margin=margin))
    assert back.status is MIRROR.get(there.status, there.status)
    assert back.smallest_detectable_change == there.smallest_detectable_change
    if there.low is not None and there.high is not None and back.low is not None:
        assert (1 + there.high) * (1 + back.low) == pytest.approx(1.0)


@given(metrics, launches, launches, margins)
def test_the_order_of_the_launches_means_nothing(metric, baseline, measured, margin):
    settings = Settings(margin=margin)
    assert decide(metric, baseline, measured, settings) == decide(metric, baseline[::-1], measured[::-1], settings)


@given(metrics, launches, launches, margins, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_means_nothing(metric, baseline, measured, margin, unit):
    settings = Settings(margin=margin)
    scaled = decide(metric, [unit * b for b in baseline], [unit * m for m in measured], settings)
    plain = decide(metric, baseline, measured, settings)
    assert scaled.change == pytest.approx(plain.change, rel=1e-9, abs=1e-9)
    if plain.low is not None:
        assert scaled.low == pytest.approx(plain.low, rel=1e-9, abs=1e-9)


@given(metrics, launches, launches, margins)
def test_unchanged_and_changed_are_only_said_where_every_pair_of_launches_agrees(metric, baseline, measured, margin):
    verdict = decide(metric, baseline, measured, Settings(margin=margin))
    ratios = [m / b for m in measured for b in baseline]
    factor = (1 + margin) * (1 + 1e-9)
    worse = min(ratios) if metric.direction is Direction.LOWER_IS_BETTER else 1 / max(ratios)
    better = max(ratios) if metric.direction is Direction.LOWER_IS_BETTER else 1 / min(ratios)
    if verdict.status is Status.UNCHANGED:
        assert all(1 / factor <= ratio <= factor for ratio in ratios)
    if verdict.status is Status.REGRESSED:
        assert worse * (1 + 1e-9) > 1 + margin
    if verdict.status is Status.IMPROVED:
        assert better < (1 + 1e-9) / (1 + margin)


@given(metrics, st.lists(seconds, min_size=2, max_size=6), st.lists(seconds, min_size=2, max_size=6))
def test_the_estimate_lies_between_its_bounds(metric, baseline, measured):
    verdict = decide(metric, baseline, measured, SETTINGS)
    assert verdict.low is not None
    assert verdict.change is not None
    assert verdict.high is not None
    slack = 1e-9 * (1 + abs(verdict.change))
    assert verdict.low - slack <= verdict.change <= verdict.high + slack


@given(metrics, st.lists(seconds, min_size=2, max_size=6), st.lists(seconds, min_size=2, max_size=6), margins)
def test_a_change_as_large_as_the_smallest_detectable_one_is_found(metric, baseline, measured, margin):
    settings = Settings(margin=margin)
    verdict = decide(metric, baseline, measured, settings)
    assert verdict.smallest_detectable_change is not None
    assert verdict.change is not None
    needed = (1 + verdict.smallest_detectable_change) / (1 + verdict.change) * (1 + 1e-6)
    shifted = decide(metric, baseline, [value * needed for value in measured], settings)
    worse_when_higher = metric.direction is Direction.LOWER_IS_BETTER
    assert shifted.status is (Status.REGRESSED if worse_when_higher else Status.IMPROVED)


@given(metrics, st.lists(st.floats(), max_size=4), st.lists(st.floats(), max_size=4), margins)
def test_any_numbers_get_an_answer_in_words(metric, baseline, measured, margin):
    verdict = decide(metric, baseline, measured, Settings(margin=margin))
    assert verdict.sentence
    if not all(0 < value < math.inf for value in baseline + measured):
        assert verdict.status is Status.INCONCLUSIVE
