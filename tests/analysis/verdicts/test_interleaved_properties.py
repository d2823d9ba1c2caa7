"""What holds for the verdicts of any launches: symmetry, units, order, and an answer in words."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.analysis.verdicts.interleaved import judge, next_pairs
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT, a_case

SETTINGS = Settings()
MIRROR = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}

launch_values = st.lists(st.floats(min_value=0.09, max_value=0.11), max_size=7).map(tuple)
arms = st.builds(Arms, baseline=launch_values, candidate=launch_values)
cases = st.builds(
    CaseLaunches,
    metric=st.sampled_from([LATENCY, THROUGHPUT]),
    measure=arms,
    confirm=arms,
)
sets_of_cases = st.dictionaries(st.sampled_from("abcd"), cases, min_size=1, max_size=3)
any_values = st.lists(st.floats(), max_size=5).map(tuple)
any_arms = st.builds(Arms, baseline=any_values, candidate=any_values)
any_case = st.builds(CaseLaunches, metric=st.sampled_from([LATENCY, THROUGHPUT]), measure=any_arms, confirm=any_arms)
seeded = st.builds(
    a_case,
    seed=st.integers(0, 10**6),
    noise=st.sampled_from([1e-4, 1e-3, 3e-3, 1e-2]),
    change=st.sampled_from([-0.05, -0.01, 0.0, 0.003, 0.01, 0.02]),
    metric=st.sampled_from([LATENCY, THROUGHPUT]),
)
few = settings(max_examples=10, deadline=None)


def verdict(case: CaseLaunches) -> Verdict:
    return judge({"case": case}, SETTINGS)["case"]


def mapped(case: CaseLaunches, change) -> CaseLaunches:
    return replace(case, measure=change(case.measure), confirm=change(case.confirm))


def swapped(arms: Arms) -> Arms:
    return Arms(baseline=arms.candidate, candidate=arms.baseline)


@few
@given(sets_of_cases)
def test_swapping_the_arms_mirrors_every_verdict(cases_of_run: LaunchesByCase):
    back = judge({name: mapped(case, swapped) for name, case in cases_of_run.items()}, SETTINGS)
    for name, there in judge(cases_of_run, SETTINGS).items():
        assert back[name].status is MIRROR.get(there.status, there.status)
        if there.low is not None:
            assert back[name].smallest_detectable_change == pytest.approx(there.smallest_detectable_change, rel=1e-6)
            assert (1 + there.high) * (1 + back[name].low) == pytest.approx(1.0)
            assert there.low <= there.change <= there.high


@few
@given(seeded, st.floats(1e-3, 1e3))
def test_the_unit_means_nothing(case: CaseLaunches, factor: float):
    def in_other_unit(arms: Arms) -> Arms:
        return Arms(
            baseline=tuple(factor * value for value in arms.baseline),
            candidate=tuple(factor * value for value in arms.candidate),
        )

    there, here = verdict(case), verdict(mapped(case, in_other_unit))
    assert (there.status, there.candidate_launches, there.confirm_pairs) == (
        here.status,
        here.candidate_launches,
        here.confirm_pairs,
    )
    assert here.change == pytest.approx(there.change, abs=1e-9)


@few
@given(seeded, st.randoms(use_true_random=False))
def test_the_order_of_the_launches_that_were_used_means_nothing(case: CaseLaunches, random):
    # Only the last used pairs may trade places: a plan is replayed from its first ones.
    case = mapped(case, lambda arms: arms.first(3))
    shuffled = mapped(
        case,
        lambda arms: Arms(
            baseline=tuple(random.sample(arms.baseline, 3)), candidate=tuple(random.sample(arms.candidate, 3))
        ),
    )
    there, here = verdict(case), verdict(shuffled)
    assert (there.status, there.confirm_pairs) == (here.status, here.confirm_pairs)
    assert here.low == pytest.approx(there.low, abs=1e-9)


@few
@given(seeded, st.floats(0.09, 0.11))
def test_equal_launches_on_both_sides_never_turn_a_verdict_round(case: CaseLaunches, value: float):
    def with_equal(arms: Arms) -> Arms:
        short = arms.first(6)
        return Arms(baseline=(*short.baseline, value), candidate=(*short.candidate, value))

    there, here = verdict(mapped(case, lambda arms: arms.first(6))), verdict(mapped(case, with_equal))
    assert {there.status, here.status} != {Status.REGRESSED, Status.IMPROVED}


@few
@given(st.dictionaries(st.sampled_from("ab"), any_case))
def test_any_numbers_get_an_answer_in_words(cases_of_run: LaunchesByCase):
    next_pairs(cases_of_run, SETTINGS)
    for name, found in judge(cases_of_run, SETTINGS).items():
        assert found.sentence
        case = cases_of_run[name]
        values = case.measure.baseline + case.measure.candidate + case.confirm.baseline + case.confirm.candidate
        if not all(0 < value < math.inf for value in values):
            assert found.status is Status.INCONCLUSIVE
