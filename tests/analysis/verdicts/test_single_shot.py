from dataclasses import replace

import numpy as np
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


@pytest.mark.parametrize(("baseline", "candidate"), [(20, 2), (20, 3), (15, 5)])
def test_few_launches_that_lie_close_together_by_chance_are_no_change(baseline: int, candidate: int):
    rng = np.random.default_rng(6)
    alarms, covered, cases = 0, 0, 100
    for _ in range(20):
        run = {}
        for number in range(cases):
            there, here = (np.exp(rng.normal(0.0, 0.01, count)).tolist() for count in (baseline, candidate))
            run[str(number)] = CaseLaunches(metric=LATENCY, measure=Arms(baseline=tuple(there), candidate=tuple(here)))
        found = judge_single_shot(run, SETTINGS).values()
        alarms += any(verdict.status in (Status.REGRESSED, Status.IMPROVED) for verdict in found)
        covered += sum(verdict.low <= 0 <= verdict.high for verdict in found)
    # By Welch's degrees of freedom alone 12 and 3 of 20 runs have a false alarm; of 15 against 5, 97.4 % cover 0.
    assert alarms <= 1
    assert covered / (20 * cases) > 0.985


@pytest.mark.parametrize(
    ("baseline", "candidate"), [((), ()), ((0.1,), (0.2,)), ((0.1,) * 3, (0.1,) * 3), ((0.0, 1), (1, 1))]
)
def test_what_allows_no_verdict_is_inconclusive(baseline: tuple[float, ...], candidate: tuple[float, ...]):
    case = CaseLaunches(metric=LATENCY, measure=Arms(baseline=baseline, candidate=candidate))
    assert judge_single_shot({"case": case}, SETTINGS)["case"].status is Status.INCONCLUSIVE


def test_an_abandoned_case_is_inconclusive_for_its_reason():
    case = replace(a_case(), abandoned="invalid environment")
    assert judge_single_shot({"case": case}, SETTINGS)["case"].sentence == "invalid environment"
