"""The verdict rule for interleaved launches: the baseline's build is run again, in pairs with the candidate's.

    measure   Every case is measured in as many pairs as its plan asks for. A case is *flagged* if it differs at level
              alpha in one direction and may differ by the margin: p < alpha and the far bound is beyond the margin.
    confirm   Every flagged case is measured again in fresh pairs, planned at alpha / number of flagged cases. Their
              verdict rests on these alone; Holm at alpha over them bounds the chance of any false alarm of a run.

The plans and the p-values are those of `settings.rule`: `sequential` or `fixed`.

    regressed, improved   flagged, rejected by Holm in the same direction, and the far bound is beyond the margin
    unchanged             the interval lies within the margin (that of `confirm` if the case was flagged), and for
                          `sequential` the ranks of the launches agree
    inconclusive          everything else

Intervals have a confidence of 1 - alpha. Swapping the arms mirrors every verdict. `single_shot` and `stored` have the
rule for other launches; docs/verdicts.md has the derivation and results.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from ssdbench.analysis.verdicts.contrast import Contrast, holm
from ssdbench.analysis.verdicts.fixed import fixed_stages, planned
from ssdbench.analysis.verdicts.sample_size import PairPlan, required_pairs
from ssdbench.analysis.verdicts.sequential import sequential_stages
from ssdbench.analysis.verdicts.stages import Stages, is_possible, is_within, towards
from ssdbench.analysis.verdicts.wording import (
    EQUAL_LAUNCHES,
    Evidence,
    detectable_change,
    inconclusive_text,
    open_by_ranks_text,
    pairs,
    too_few,
    unchanged_text,
    why_unusable,
)
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase, Stage, Wanted
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Mode, Status, Verdict


def next_pairs(run: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """The pairs that each case still needs; empty when the run is complete.

    `confirm` begins when `measure` is complete, because its plan depends on the number of flagged cases. A case that
    was abandoned, or that has an impossible value, needs nothing more.
    """
    state = _stages(run, settings)
    return _wanted(run, Stage.MEASURE, state.measure) or _wanted(run, Stage.CONFIRM, state.confirm)


def next_launches(run: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """Like `next_pairs`, for a stored baseline: only the plan of `measure`, because none of its launches are fresh."""
    sound = {name: case for name, case in run.items() if is_possible(case)}
    return _wanted(run, Stage.MEASURE, planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap))


def judge(run: LaunchesByCase, settings: Settings) -> dict[str, Verdict]:
    """The verdict on each case by the pairs that its plan asks for; pairs beyond are not looked at.

    A run that ended early (budget, interruption) is judged by the pairs that it has.
    """
    state = _stages(run, settings)
    confirmed = holm(state.p_values, settings.alpha)
    return {name: _verdict(name, case, state, confirmed, settings) for name, case in run.items()}


def flagged_cases(run: LaunchesByCase, settings: Settings) -> frozenset[str]:
    """The cases that look changed in `measure`, as far as that is measured."""
    return frozenset(_stages(run, settings).flagged)


def _stages(run: LaunchesByCase, settings: Settings) -> Stages:
    return sequential_stages(run, settings) if settings.rule == "sequential" else fixed_stages(run, settings)


def _wanted(run: LaunchesByCase, stage: Stage, planned: Mapping[str, PairPlan]) -> dict[str, Wanted]:
    return {
        name: Wanted(stage=stage, pairs=case.wanted)
        for name, case in planned.items()
        if case.wanted > 0 and run[name].abandoned is None
    }


def _verdict(name: str, case: CaseLaunches, state: Stages, confirmed: set[str], settings: Settings) -> Verdict:
    evidence = _evidence(name, case, state, settings)
    if case.abandoned is not None:  # a launch that failed has no value, which is not what is wrong with it
        return evidence.open_verdict(case.abandoned)
    if name not in state.measure:
        return evidence.open_verdict(_impossible(case, settings))
    first, fresh = state.measure[name], state.confirm.get(name)
    if first.contrast is None or first.used.pairs < settings.minimum_launches:
        return too_few(evidence)
    if fresh and (fresh.contrast is None or fresh.used.pairs < settings.minimum_launches):
        return _unconfirmed(evidence, first, state.fresh_needed[name], settings)
    contrast = fresh.contrast if fresh and fresh.contrast else first.contrast
    detectable, called = detectable_and_called(contrast, settings)
    needed = required_pairs(contrast, settings, settings.alpha)
    status, because = _status(name, contrast, state, confirmed, settings)
    if status is Status.INCONCLUSIVE and contrast.varies:
        is_inside = is_within(contrast, settings)
        because += open_by_ranks_text(settings) if is_inside else inconclusive_text(settings, called, needed)
    return evidence.verdict(status, contrast, because, detectable=detectable, called=called, launches_needed=needed)


def _status(
    name: str, contrast: Contrast, state: Stages, confirmed: set[str], settings: Settings
) -> tuple[Status, str]:
    plan = state.confirm.get(name)
    fresh = plan.used.pairs if plan else 0
    if not contrast.varies:
        return Status.INCONCLUSIVE, f": {EQUAL_LAUNCHES}"
    if name in confirmed:
        sign = state.flagged[name]
        reach = contrast.half_width(1 - settings.alpha)
        if towards(sign, contrast).estimate + reach >= settings.log_margin:
            status = Status.REGRESSED if sign > 0 else Status.IMPROVED
            return status, f", confirmed by {pairs(fresh, 'fresh ')}"
    if is_within(contrast, settings) and name not in state.open_by_ranks:
        is_real = abs(contrast.estimate) > contrast.half_width(1 - settings.alpha)
        return Status.UNCHANGED, unchanged_text(settings, is_real=is_real)
    if plan is None:
        return Status.INCONCLUSIVE, ""
    if plan.wanted > 0:
        return Status.INCONCLUSIVE, f" in {fresh} of the {pairs(plan.pairs, 'fresh ')} that its plan asks for"
    return Status.INCONCLUSIVE, f" in {pairs(fresh, 'fresh ')}, which do not confirm the change seen first"


def _unconfirmed(evidence: Evidence, first: PairPlan, needed: int, settings: Settings) -> Verdict:
    assert first.contrast
    detectable, called = detectable_and_called(first.contrast, settings)
    return replace(evidence, used=first.used).verdict(
        Status.INCONCLUSIVE,
        first.contrast,
        f": flagged by {pairs(first.used.pairs)}; {pairs(needed, 'fresh ')} are needed to confirm it",
        detectable=detectable,
        called=called,
        launches_needed=needed,
    )


def detectable_and_called(contrast: Contrast, settings: Settings) -> tuple[float, float]:
    """The least difference that shows as real, and the least that is called."""
    # A change is called if both stages find it, so each has to with the root of the power.
    power = math.sqrt(settings.power)
    if settings.rule == "fixed":
        found = detectable_change(contrast, settings.alpha, power)
        return found, found
    # Cases that are flagged by chance share the level of the second stage: a quarter of it is left to rely on.
    shows = detectable_change(contrast, settings.alpha / 2, settings.power)
    return shows, detectable_change(contrast, settings.alpha / 4, power)


def _evidence(name: str, case: CaseLaunches, state: Stages, settings: Settings) -> Evidence:
    planned, fresh = state.measure.get(name), state.confirm.get(name)
    confirm_pairs = fresh.used.pairs if fresh else 0
    first = planned.used if planned and planned.contrast else case.measure
    used = fresh.used if fresh and fresh.contrast else first
    return Evidence(
        metric=case.metric,
        mode=Mode.INTERLEAVED,
        settings=settings,
        used=used,
        baseline_launches=len(first.baseline) + confirm_pairs,
        candidate_launches=len(first.candidate) + confirm_pairs,
        confirm_pairs=confirm_pairs,
    )


def _impossible(case: CaseLaunches, settings: Settings) -> str:
    # Of both stages at once: the reason is a value, not the number of launches.
    both = Arms(
        baseline=case.measure.baseline + case.confirm.baseline,
        candidate=case.measure.candidate + case.confirm.candidate,
    )
    return why_unusable(case.metric, both, settings) or ""
