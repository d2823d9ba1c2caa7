from dataclasses import replace

import pytest

from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.schema.launch_values import Arms, CaseLaunches
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Mode, Status
from tests.analysis.verdicts.launch_values import LATENCY, a_case, some_launches

SETTINGS = Settings()


def test_a_known_change_is_called_without_fresh_pairs():
    found = judge_single_shot(some_launches(changes={0: 0.02, 1: -0.02}), SETTINGS)
    assert [verdict.status for verdict in found.values()] == [Status.REGRESSED, Status.IMPROVED] + [
        Status.UNCHANGED
    ] * 8
    assert {verdict.mode for verdict in found.values()} == {Mode.SINGLE_SHOT}
    assert "by 18 launches against 18 in one shot (Holm over 10 cases)" in found["0"].sentence


def test_the_more_cases_the_stricter():
    few = a_case(seed=5, change=0.02, noise=2e-3, pairs=4)
    alone = judge_single_shot({"case": few}, SETTINGS)["case"]
    night = {**some_launches(cases=100), "case": few}
    among_many = judge_single_shot(night, SETTINGS)["case"]
    assert (alone.status, among_many.status) == (Status.REGRESSED, Status.INCONCLUSIVE)
    assert among_many.smallest_detectable_change > alone.smallest_detectable_change
    assert among_many.launches_needed > 4


@pytest.mark.parametrize("change", [0.004, -0.004])
def test_a_sure_change_within_the_margin_is_unchanged(change: float):
    found = judge_single_shot({"case": a_case(change=change, noise=3e-4)}, SETTINGS)["case"]
    assert found.status is Status.UNCHANGED
    assert "a real change, but within the margin of 1%" in found.sentence


def test_uneven_arms_are_all_used():
    case = a_case(change=0.02, pairs=10)
    uneven = replace(case, measure=Arms(baseline=case.measure.baseline, candidate=case.measure.candidate[:3]))
    found = judge_single_shot({"case": uneven}, SETTINGS)["case"]
    assert (found.status, found.baseline_launches, found.candidate_launches) == (Status.REGRESSED, 10, 3)


@pytest.mark.parametrize(
    ("baseline", "candidate"), [((), ()), ((0.1,), (0.2,)), ((0.1,) * 3, (0.1,) * 3), ((0.0, 1), (1, 1))]
)
def test_what_allows_no_verdict_is_inconclusive(baseline: tuple[float, ...], candidate: tuple[float, ...]):
    case = CaseLaunches(metric=LATENCY, measure=Arms(baseline=baseline, candidate=candidate))
    assert judge_single_shot({"case": case}, SETTINGS)["case"].status is Status.INCONCLUSIVE


def test_an_abandoned_case_is_inconclusive_for_its_reason():
    case = replace(a_case(), abandoned="invalid environment")
    assert judge_single_shot({"case": case}, SETTINGS)["case"].sentence == "invalid environment"
