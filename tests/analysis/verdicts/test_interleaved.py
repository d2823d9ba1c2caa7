import math
from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.verdicts.contrast import contrasts
from ssdbench.analysis.verdicts.interleaved import flagged_cases, judge, next_pairs
from ssdbench.analysis.verdicts.sample_size import plan
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase, Stage, Wanted
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Mode, Status, Verdict
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT, a_case, some_arms, some_launches

SETTINGS = Settings()
FIXED = Settings(rule="fixed")


def verdict(case: CaseLaunches) -> Verdict:
    return judge({"case": case}, SETTINGS)["case"]


@pytest.mark.parametrize("metric", [LATENCY, THROUGHPUT])
@pytest.mark.parametrize(
    ("change", "status"),
    [(0.02, Status.REGRESSED), (0.0, Status.UNCHANGED), (-0.02, Status.IMPROVED), (0.003, Status.UNCHANGED)],
)
def test_a_known_change_is_called_by_its_name(metric, change: float, status: Status):
    assert verdict(a_case(change=change, metric=metric)).status is status


def test_a_verdict_carries_what_it_rests_on():
    found = verdict(a_case(change=0.02, noise=2e-3))
    assert found.change == pytest.approx(0.02, abs=0.004)
    assert found.low < found.change < found.high
    assert found.candidate_value / found.baseline_value - 1 == pytest.approx(found.change)
    assert (found.mode, found.settings) == (Mode.INTERLEAVED, SETTINGS)
    assert found.baseline_launches == found.candidate_launches > found.confirm_pairs >= 3
    assert 0 < found.smallest_detectable_change < 0.02
    assert found.launches_needed is not None
    assert found.sentence == (
        f"median step time {100 * found.change:.1f}% higher (99% interval {100 * found.low:+.1f} to "
        f"{100 * found.high:+.1f}%), confirmed by {found.confirm_pairs} fresh pairs"
    )


def test_the_change_is_that_of_the_value_also_where_more_is_better():
    found = verdict(a_case(change=0.02, metric=THROUGHPUT))
    assert found.status is Status.REGRESSED
    assert found.low < found.change < found.high < 0
    assert found.sentence.startswith(f"global throughput {-100 * found.change:.1f}% lower (99% interval -")


def test_a_real_change_inside_the_margin_is_unchanged_and_the_sentence_says_so():
    found = verdict(a_case(change=0.004, noise=3e-4))
    assert found.status is Status.UNCHANGED
    assert "a real change, but within the margin of 1%" in found.sentence


def test_noise_is_inconclusive_with_what_could_be_seen_and_what_would_be_needed():
    found = verdict(a_case(noise=0.08))
    assert found.status is Status.INCONCLUSIVE
    assert found.smallest_detectable_change > 0.08
    assert found.launches_needed > 1000
    assert "neither within the margin of 1% nor surely beyond it" in found.sentence


def test_the_smallest_detectable_change_is_that_of_the_formula():
    from scipy.stats import t

    case = a_case(noise=0.08)
    (contrast,) = contrasts([(case.metric, case.measure.first(15))], SETTINGS)
    found = verdict(case)
    shows, called = (
        (t.ppf(1 - level, contrast.freedom) + t.ppf(power, contrast.freedom)) * contrast.error
        for level, power in ((0.005, 0.95), (0.0025, math.sqrt(0.95)))
    )
    assert found.smallest_detectable_change == pytest.approx(math.expm1(shows))
    assert found.smallest_called_change == pytest.approx(math.expm1(called))


def test_a_change_that_shows_is_called_from_the_margin_on():
    calm, noisy = verdict(a_case(noise=5e-4)), verdict(a_case(noise=0.08))
    assert calm.smallest_detectable_change < calm.smallest_called_change == SETTINGS.margin
    assert noisy.smallest_called_change > noisy.smallest_detectable_change > SETTINGS.margin


def test_a_flagged_case_without_fresh_pairs_is_inconclusive_and_says_how_many_are_needed():
    found = verdict(replace(a_case(change=0.03), confirm=Arms()))
    assert found.status is Status.INCONCLUSIVE
    assert "flagged by 3 pairs; 8 fresh pairs are needed to confirm it" in found.sentence
    (fixed,) = judge({"case": replace(a_case(change=0.03), confirm=Arms())}, FIXED).values()
    assert "flagged by 3 pairs; 3 fresh pairs are needed to confirm it" in fixed.sentence


def test_what_was_seen_first_and_not_again_is_no_regression():
    there, back = a_case(change=0.03), a_case(seed=2)
    found = verdict(replace(there, confirm=back.measure))
    assert found.status is Status.UNCHANGED
    assert abs(found.change) < 0.01
    opposite = verdict(replace(there, confirm=a_case(change=-0.03).confirm))
    assert opposite.status is Status.INCONCLUSIVE
    assert "which do not confirm the change seen first" in opposite.sentence


@pytest.mark.parametrize("change", [0.004, -0.004])
def test_a_sure_change_that_does_not_reach_the_margin_is_not_flagged_and_not_measured_afresh(change: float):
    cases_of_run = {"case": a_case(change=change, noise=3e-4)}
    (planned,) = plan([(LATENCY, cases_of_run["case"].measure)], SETTINGS, SETTINGS.alpha, SETTINGS.pair_cap)
    assert planned.contrast is not None
    assert min(planned.contrast.p_beyond(), planned.contrast.mirrored().p_beyond()) < SETTINGS.alpha
    assert flagged_cases(cases_of_run, SETTINGS) == frozenset()
    assert next_pairs({"case": replace(cases_of_run["case"], confirm=Arms())}, SETTINGS) == {}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_flagged_case_whose_fresh_pairs_show_a_sure_change_within_the_margin_is_unchanged(sign: int):
    seen_first, fresh = a_case(change=sign * 0.02), a_case(change=sign * 0.004, noise=3e-4)
    found = verdict(replace(seen_first, confirm=fresh.confirm))
    assert found.status is Status.UNCHANGED
    assert "a real change, but within the margin of 1%" in found.sentence
    assert found.confirm_pairs > 0


def test_fixed_fresh_pairs_are_planned_at_alpha_divided_among_the_flagged_cases():
    cases_of_run = some_launches(cases=8, noise=2.5e-3, changes=dict.fromkeys(range(8), 0.05))
    count = len(flagged_cases(cases_of_run, FIXED))
    assert count == 8

    def planned(level: float) -> dict[str, int]:
        arms = [(case.metric, case.confirm) for case in cases_of_run.values()]
        found = plan(arms, FIXED, level, FIXED.confirm_pair_cap)
        return {name: case.pairs for name, case in zip(cases_of_run, found, strict=True)}

    measured, _ = measured_step_by_step(cases_of_run, FIXED)
    fresh = {name: case.confirm.pairs for name, case in measured.items()}
    assert fresh == planned(FIXED.alpha / count)
    assert sum(fresh.values()) > sum(planned(FIXED.alpha).values())


def test_a_flagged_case_without_fresh_pairs_says_how_many_its_share_of_alpha_needs():
    cases_of_run = some_launches(cases=8, noise=2.5e-3, changes=dict.fromkeys(range(8), 0.05))
    first = {name: replace(case, confirm=Arms()) for name, case in cases_of_run.items()}
    together = sum(found.launches_needed or 0 for found in judge(first, SETTINGS).values())
    alone = sum(verdict(case).launches_needed or 0 for case in first.values())
    assert together > alone


def test_fixed_holm_over_the_flagged_cases_bounds_the_chance_of_any_false_alarm():
    spread = [-1.45e-3, 0.0, 1.45e-3]
    fresh = Arms(
        baseline=tuple(0.1 * math.exp(shift) for shift in spread),
        candidate=tuple(0.1 * math.exp(5.7e-3 + shift) for shift in spread),
    )
    (contrast,) = contrasts([(LATENCY, fresh)], FIXED)
    assert FIXED.alpha / 5 < contrast.p_beyond() < FIXED.alpha
    cases_of_run = {str(number): replace(a_case(seed=number, change=0.03), confirm=fresh) for number in range(5)}
    assert flagged_cases(cases_of_run, FIXED) == cases_of_run.keys()
    assert judge({"0": cases_of_run["0"]}, FIXED)["0"].status is Status.REGRESSED
    assert {found.status for found in judge(cases_of_run, FIXED).values()} == {Status.INCONCLUSIVE}


def test_only_flagged_cases_have_fresh_pairs_planned_and_looked_at():
    cases_of_run = some_launches(cases=5, changes={0: 0.02})
    for name, found in judge(cases_of_run, SETTINGS).items():
        assert (found.confirm_pairs > 0) is (name == "0")


def test_pairs_beyond_the_plan_are_not_looked_at():
    case = a_case()
    used = verdict(case).candidate_launches
    spoiled = Arms(
        baseline=case.measure.baseline[:used] + (0.2,) * 9, candidate=case.measure.candidate[:used] + (9.0,) * 9
    )
    assert verdict(replace(case, measure=spoiled)) == verdict(case)


def measured_step_by_step(
    cases_of_run: LaunchesByCase, settings: Settings = SETTINGS
) -> tuple[LaunchesByCase, list[dict[str, Wanted]]]:
    so_far: dict[str, CaseLaunches] = {
        name: replace(case, measure=Arms(), confirm=Arms()) for name, case in cases_of_run.items()
    }
    asked = []
    while wanted := next_pairs(so_far, settings):
        asked.append(wanted)
        for name, more in wanted.items():
            have = so_far[name].of(more.stage).pairs + more.pairs
            change: dict[str, Any] = {more.stage.value: cases_of_run[name].of(more.stage).first(have)}
            so_far[name] = replace(so_far[name], **change)
    return so_far, asked


@pytest.mark.parametrize("noise", [5e-4, 2e-3, 6e-3])
def test_a_run_measured_as_asked_has_the_verdicts_of_one_measured_whole(noise: float):
    cases_of_run = some_launches(noise=noise, changes={0: 0.01, 1: -0.02, 2: 0.05})
    so_far, asked = measured_step_by_step(cases_of_run)
    assert judge(so_far, SETTINGS) == judge(cases_of_run, SETTINGS)
    assert set(asked[0].values()) == {Wanted(stage=Stage.MEASURE, pairs=3)}
    stages = [more.stage for wanted in asked for more in wanted.values()]
    assert stages == sorted(stages, key=list(Stage).index)
    assert all(len({more.stage for more in wanted.values()}) == 1 for wanted in asked)


def test_an_abandoned_case_asks_for_nothing_and_is_inconclusive_for_its_reason():
    cases_of_run = {"case": CaseLaunches(metric=LATENCY, abandoned="invalid environment: throttled 4 times")}
    assert next_pairs(cases_of_run, SETTINGS) == {}
    found = judge(cases_of_run, SETTINGS)["case"]
    assert (found.status, found.sentence) == (Status.INCONCLUSIVE, "invalid environment: throttled 4 times")


def test_a_case_with_a_failed_launch_is_not_told_that_its_times_are_wrong():
    failed = Arms(baseline=(math.nan,), candidate=(math.nan,))
    case = CaseLaunches(metric=LATENCY, measure=failed, abandoned="candidate launch 1 failed: no torch")
    assert judge({"case": case}, SETTINGS)["case"].sentence == "candidate launch 1 failed: no torch"


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_value_that_cannot_be_is_inconclusive_named_and_not_measured_on(bad: float):
    case = replace(a_case(), measure=Arms(baseline=(0.1, 0.1), candidate=(0.1, bad)))
    found = verdict(case)
    assert found.status is Status.INCONCLUSIVE
    assert f"a candidate launch has a median step time of {bad:g} s, which is impossible" in found.sentence
    assert next_pairs({"case": case}, SETTINGS) == {}


@pytest.mark.parametrize(
    ("baseline", "candidate", "has_bounds"),
    [((), (), False), ((0.1,), (), False), ((0.1,), (0.2,), False), ((0.1, 0.101, 0.102), (0.2,), True)],
)
def test_fewer_than_two_launches_on_a_side_are_always_inconclusive(
    baseline: tuple[float, ...], candidate: tuple[float, ...], has_bounds: bool
):
    found = verdict(CaseLaunches(metric=LATENCY, measure=Arms(baseline=baseline, candidate=candidate)))
    assert found.status is Status.INCONCLUSIVE
    assert "a verdict needs at least 2 on each side" in found.sentence
    assert (found.low is not None) is has_bounds
    assert found.launches_needed == 2


def test_two_pairs_can_be_judged_where_no_more_were_had():
    case = a_case(noise=2e-4, change=0.05)
    assert verdict(replace(case, measure=case.measure.first(2))).status is Status.REGRESSED


@pytest.mark.parametrize("candidate", [0.1, 0.11])
def test_identical_timings_give_no_certainty(candidate: float):
    same = Arms(baseline=(0.1,) * 5, candidate=(candidate,) * 5)
    found = verdict(CaseLaunches(metric=LATENCY, measure=same, confirm=same))
    assert found.status is Status.INCONCLUSIVE
    assert found.low < found.change < found.high
    assert "exactly equal, which real launches never are" in found.sentence


def test_more_launches_can_be_required_by_settings():
    case = a_case()
    strict = Settings(minimum_launches=4)
    assert next_pairs({"case": replace(case, measure=Arms())}, strict)["case"].pairs == 4
    found = judge({"case": replace(case, measure=case.measure.first(3))}, strict)["case"]
    assert (found.status, found.launches_needed) == (Status.INCONCLUSIVE, 4)


def test_some_arms_are_what_they_say():
    arms = some_arms(seed=1, pairs=2000, noise=0.01, change=0.05)
    logs = [math.log(value) for value in arms.candidate]
    assert sum(logs) / len(logs) == pytest.approx(math.log(0.105), abs=0.001)
