"""What holds of a verdict in every mode: interleaved, single shot, stored with few sessions and with many."""

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.schema.launch_values import Arms, CaseLaunches, CaseSessions
from ssdbench.schema.metrics import Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT, some_arms

SETTINGS = Settings()
MIRROR = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}
few = settings(max_examples=5, deadline=None)


def interleaved(metric: Metric, arms: Arms) -> Verdict:
    return judge({"case": CaseLaunches(metric=metric, measure=arms, confirm=arms)}, SETTINGS)["case"]


def single_shot(metric: Metric, arms: Arms) -> Verdict:
    return judge_single_shot({"case": CaseLaunches(metric=metric, measure=arms)}, SETTINGS)["case"]


def in_sessions(sessions: int) -> Callable[[Metric, Arms], Verdict]:
    def judged(metric: Metric, arms: Arms) -> Verdict:
        kept = tuple(arms.baseline[number::sessions] for number in range(sessions))
        case = CaseSessions(
            metric=metric,
            baseline=tuple(filter(None, kept)),
            candidate=(arms.candidate,) if arms.candidate else (),
        )
        return judge_stored({"case": case}, SETTINGS)["case"]

    return judged


MODES: Mapping[str, Callable[[Metric, Arms], Verdict]] = {
    "interleaved": interleaved,
    "single shot": single_shot,
    "one stored session": in_sessions(1),
    "six stored sessions": in_sessions(6),
}
every_mode = pytest.mark.parametrize("judged", MODES.values(), ids=MODES)
metrics = st.sampled_from([LATENCY, THROUGHPUT])
made = st.builds(
    some_arms,
    seed=st.integers(0, 10**6),
    pairs=st.just(12),
    noise=st.sampled_from([1e-4, 1e-3, 5e-3]),
    change=st.sampled_from([-0.2, -0.02, 0.0, 0.004, 0.02, 0.2]),
)
any_values = st.lists(st.floats(), max_size=7).map(tuple)
any_arms = st.builds(Arms, baseline=any_values, candidate=any_values)
# Values of a quantised timer: most of them equal.
quantised = st.lists(st.sampled_from([0.1, 0.1, 0.1, 0.11]), min_size=2, max_size=8).map(tuple)


def mapped(arms: Arms, change: Callable[[float], float]) -> Arms:
    return Arms(baseline=tuple(map(change, arms.baseline)), candidate=tuple(map(change, arms.candidate)))


@every_mode
@few
@given(metrics, made, st.floats(1e-3, 1e3))
def test_the_unit_means_nothing(judged, metric: Metric, arms: Arms, factor: float):
    there, here = judged(metric, arms), judged(metric, mapped(arms, lambda value: factor * value))
    assert here.status is there.status
    assert here.change == pytest.approx(there.change, abs=1e-9)
    assert (here.low, here.high) == pytest.approx((there.low, there.high), abs=1e-9)


@every_mode
@few
@given(made)
def test_a_metric_of_which_more_is_better_gives_the_same_verdict_on_inverse_values(judged, arms: Arms):
    there, here = judged(LATENCY, arms), judged(THROUGHPUT, mapped(arms, lambda value: 1 / value))
    assert here.status is there.status
    assert (1 + here.change) * (1 + there.change) == pytest.approx(1.0)


@every_mode
@few
@given(made)
def test_the_same_values_the_other_way_round_mirror_the_verdict(judged, arms: Arms):
    there, here = judged(LATENCY, arms), judged(LATENCY, mapped(arms, lambda value: 1 / value))
    assert here.status is MIRROR.get(there.status, there.status)


@pytest.mark.parametrize("judged", [interleaved, single_shot, in_sessions(1)])
@few
@given(metrics, made)
def test_swapping_the_arms_mirrors_the_verdict(judged, metric: Metric, arms: Arms):
    there = judged(metric, arms)
    here = judged(metric, Arms(baseline=arms.candidate, candidate=arms.baseline))
    assert here.status is MIRROR.get(there.status, there.status)
    assert (1 + here.change) * (1 + there.change) == pytest.approx(1.0)
    if judged in (interleaved, single_shot):
        assert (1 + here.low) * (1 + there.high) == pytest.approx(1.0)
    else:
        assert (here.low, here.high) == (None, None)


@pytest.mark.parametrize("judged", [single_shot, in_sessions(1)])
@few
@given(metrics, made, st.randoms(use_true_random=False))
def test_the_order_of_launches_means_nothing(judged, metric: Metric, arms: Arms, random):
    shuffled = Arms(
        baseline=tuple(random.sample(arms.baseline, 12)), candidate=tuple(random.sample(arms.candidate, 12))
    )
    there, here = judged(metric, arms), judged(metric, shuffled)
    assert here.status is there.status
    assert (here.low, here.high) == pytest.approx((there.low, there.high), abs=1e-9)
    assert here.change == pytest.approx(there.change, abs=1e-9)


@few
@given(metrics, made, st.randoms(use_true_random=False))
def test_neither_does_that_of_sessions_and_of_launches_in_them(metric: Metric, arms: Arms, random):
    sessions = [arms.baseline[number::6] for number in range(6)]

    def found(order: list[tuple[float, ...]], candidate: tuple[float, ...]) -> Verdict:
        case = CaseSessions(metric=metric, baseline=tuple(order), candidate=(candidate,))
        return judge_stored({"case": case}, SETTINGS)["case"]

    shuffled = [tuple(random.sample(session, len(session))) for session in random.sample(sessions, 6)]
    there = found(sessions, arms.candidate)
    here = found(shuffled, tuple(random.sample(arms.candidate, 12)))
    assert here.status is there.status
    assert here.low == pytest.approx(there.low, abs=1e-9)


@every_mode
@few
@given(metrics, made, st.floats(0.09, 0.11), st.integers(1, 4))
def test_adding_equal_launches_to_both_sides_never_turns_a_verdict_round(
    judged, metric: Metric, arms: Arms, value: float, count: int
):
    more = Arms(baseline=arms.baseline + (value,) * count, candidate=arms.candidate + (value,) * count)
    assert {judged(metric, arms).status, judged(metric, more).status} != {Status.REGRESSED, Status.IMPROVED}


@every_mode
@few
@given(metrics, made)
def test_having_every_launch_twice_never_turns_a_verdict_round(judged, metric: Metric, arms: Arms):
    twice = Arms(baseline=arms.baseline * 2, candidate=arms.candidate * 2)
    there, here = judged(metric, arms), judged(metric, twice)
    assert MIRROR.get(here.status) is not there.status


@every_mode
@pytest.mark.parametrize("count", [2, 3, 5, 12])
@pytest.mark.parametrize("candidate", [0.1, 0.1001, 0.2])
def test_identical_timings_give_no_certainty(judged, count: int, candidate: float):
    found = judged(LATENCY, Arms(baseline=(0.1,) * count, candidate=(candidate,) * count))
    assert found.status is Status.INCONCLUSIVE
    assert found.low is None or found.low < found.change < found.high


@every_mode
@few
@given(metrics, quantised, quantised)
def test_the_values_of_a_coarse_timer_have_an_answer_with_bounds_that_are_numbers(
    judged, metric: Metric, baseline: tuple[float, ...], candidate: tuple[float, ...]
):
    found = judged(metric, Arms(baseline=baseline, candidate=candidate))
    # Fewer than five stored sessions have no interval.
    bounds = () if judged in (MODES["one stored session"], MODES["six stored sessions"]) else (found.low, found.high)
    figures = (found.change, found.smallest_detectable_change, *bounds)
    assert all(figure is not None and math.isfinite(figure) for figure in figures)


def test_launches_that_trimming_leaves_equal_have_no_spread_to_judge_by():
    baseline, candidate = (0.1,) * 9 + (0.2,), (0.102,) * 9 + (0.05,)
    found = single_shot(LATENCY, Arms(baseline=baseline, candidate=candidate))
    assert found.status is Status.INCONCLUSIVE
    assert "exactly equal" in found.sentence


@every_mode
@few
@given(metrics, any_arms)
def test_any_numbers_get_an_answer_in_words_and_no_number_that_is_none(judged, metric: Metric, arms: Arms):
    found = judged(metric, arms)
    assert found.sentence
    figures = (found.change, found.low, found.high, found.smallest_detectable_change)
    assert not any(figure is not None and not math.isfinite(figure) for figure in figures)
    values = arms.baseline + arms.candidate
    if not all(0 < value < math.inf for value in values) or min(len(arms.baseline), len(arms.candidate)) < 2:
        assert found.status is Status.INCONCLUSIVE
