"""The verdict rule for interleaved launches: the baseline's build is run again, in pairs with the candidate's.

    measure   Every case is measured in as many pairs as `plan` asks for. A case is *flagged* if it differs at level
              alpha in one direction and may differ by the margin: p < alpha and the far bound is beyond the margin.
    confirm   Every flagged case is measured again in fresh pairs, planned at alpha / number of flagged cases. Their
              verdict rests on these alone; Holm at alpha over them bounds the chance of any false alarm of a run.

    regressed, improved   flagged, rejected by Holm in the same direction, and the far bound is beyond the margin
    unchanged             the interval lies within the margin (that of `confirm` if the case was flagged)
    inconclusive          everything else

Intervals have a confidence of 1 - alpha. Swapping the arms mirrors every verdict. `single_shot` and `stored` have the
rule for other launches; docs/verdicts.md has the derivation and results.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ssdbench.analysis.verdicts.contrast import Contrast, holm
from ssdbench.analysis.verdicts.sample_size import PairPlan, plan, required_pairs
from ssdbench.analysis.verdicts.wording import (
    EQUAL_LAUNCHES,
    Evidence,
    detectable_change,
    inconclusive_text,
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
    state = _State.of(run, settings)
    return _wanted(run, Stage.MEASURE, state.measure) or _wanted(run, Stage.CONFIRM, state.confirm)


def next_launches(run: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """Like `next_pairs`, for a stored baseline: only the plan of `measure`, because none of its launches are fresh."""
    sound = {name: case for name, case in run.items() if _is_possible(case)}
    planned = _planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap)
    return _wanted(run, Stage.MEASURE, planned)


def judge(run: LaunchesByCase, settings: Settings) -> dict[str, Verdict]:
    """The verdict on each case by the pairs that its plan asks for; pairs beyond are not looked at.

    A run that ended early (budget, interruption) is judged by the pairs that it has.
    """
    state = _State.of(run, settings)
    p_values = {
        name: _towards(state.flagged[name], case.contrast).p_beyond() if case.contrast else 1.0
        for name, case in state.confirm.items()
    }
    confirmed = holm(p_values, settings.alpha)
    return {name: _verdict(name, case, state, confirmed, settings) for name, case in run.items()}


def flagged_cases(run: LaunchesByCase, settings: Settings) -> frozenset[str]:
    """The cases that look changed in `measure`, as far as that is measured."""
    return frozenset(_State.of(run, settings).flagged)


def direction(contrast: Contrast, settings: Settings) -> int:
    """+1 if a case is flagged as worse, -1 as better, 0 if it is not flagged."""
    margin, reach = math.log1p(settings.margin), contrast.half_width(1 - settings.alpha)
    for sign in (1, -1):
        seen = _towards(sign, contrast)
        if seen.p_beyond() < settings.alpha and seen.estimate + reach >= margin:
            return sign
    return 0


def is_within(contrast: Contrast, settings: Settings) -> bool:
    """Whether the whole interval lies inside the margin."""
    return abs(contrast.estimate) + contrast.half_width(1 - settings.alpha) < math.log1p(settings.margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Both stages of the cases that can be judged; `flagged` holds +1 (worse) or -1 (better)."""

    measure: Mapping[str, PairPlan]
    flagged: Mapping[str, int]
    confirm: Mapping[str, PairPlan]

    @staticmethod
    def of(run: LaunchesByCase, settings: Settings) -> "_State":
        sound = {name: case for name, case in run.items() if _is_possible(case)}
        measured = _planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap)
        signs = {
            name: direction(case.contrast, settings)
            for name, case in measured.items()
            if case.contrast and case.contrast.varies
        }
        flagged = {name: sign for name, sign in signs.items() if sign}
        again = {name: sound[name] for name in flagged}
        level = settings.alpha / max(1, len(flagged))
        fresh = _planned(again, Stage.CONFIRM, settings, level, settings.confirm_pair_cap)
        return _State(measure=measured, flagged=flagged, confirm=fresh)


def _wanted(run: LaunchesByCase, stage: Stage, planned: Mapping[str, PairPlan]) -> dict[str, Wanted]:
    return {
        name: Wanted(stage=stage, pairs=case.wanted)
        for name, case in planned.items()
        if case.wanted > 0 and run[name].abandoned is None
    }


def _planned(
    cases: Mapping[str, CaseLaunches], stage: Stage, settings: Settings, alpha: float, cap: int
) -> dict[str, PairPlan]:
    found = plan([(case.metric, case.of(stage)) for case in cases.values()], settings, alpha, cap)
    return dict(zip(cases, found, strict=True))


def _is_possible(case: CaseLaunches) -> bool:
    values = case.measure.baseline + case.measure.candidate + case.confirm.baseline + case.confirm.candidate
    return all(0 < value < math.inf for value in values)


def _towards(sign: int, contrast: Contrast) -> Contrast:
    return contrast if sign > 0 else contrast.mirrored()


def _verdict(name: str, case: CaseLaunches, state: _State, confirmed: set[str], settings: Settings) -> Verdict:
    evidence = _evidence(name, case, state, settings)
    if case.abandoned is not None:  # a launch that failed has no value, which is not what is wrong with it
        return evidence.open_verdict(case.abandoned)
    if name not in state.measure:
        return evidence.open_verdict(_impossible(case, settings))
    first, fresh = state.measure[name], state.confirm.get(name)
    if first.contrast is None or first.used.pairs < settings.minimum_launches:
        return too_few(evidence)
    if fresh and (fresh.contrast is None or fresh.used.pairs < settings.minimum_launches):
        return _unconfirmed(evidence, first, len(state.flagged), settings)
    contrast = fresh.contrast if fresh and fresh.contrast else first.contrast
    detectable = _detectable(contrast, settings)
    needed = required_pairs(contrast, settings, settings.alpha)
    status, because = _status(name, contrast, state, confirmed, settings)
    if status is Status.INCONCLUSIVE and contrast.varies:
        because += inconclusive_text(settings, detectable, needed)
    return evidence.verdict(status, contrast, because, detectable=detectable, launches_needed=needed)


def _status(
    name: str, contrast: Contrast, state: _State, confirmed: set[str], settings: Settings
) -> tuple[Status, str]:
    fresh = state.confirm[name].used.pairs if name in state.flagged else 0
    if not contrast.varies:
        return Status.INCONCLUSIVE, f": {EQUAL_LAUNCHES}"
    if name in confirmed:
        sign = state.flagged[name]
        reach = contrast.half_width(1 - settings.alpha)
        if _towards(sign, contrast).estimate + reach >= math.log1p(settings.margin):
            status = Status.REGRESSED if sign > 0 else Status.IMPROVED
            return status, f", confirmed by {pairs(fresh, 'fresh ')}"
    if is_within(contrast, settings):
        is_real = abs(contrast.estimate) > contrast.half_width(1 - settings.alpha)
        return Status.UNCHANGED, unchanged_text(settings, is_real=is_real)
    doubt = f" in {pairs(fresh, 'fresh ')}, which do not confirm the change seen first" if fresh else ""
    return Status.INCONCLUSIVE, doubt


def _unconfirmed(evidence: Evidence, first: PairPlan, flagged: int, settings: Settings) -> Verdict:
    assert first.contrast
    enough = required_pairs(first.contrast, settings, settings.alpha / flagged) or settings.confirm_pair_cap
    needed = min(settings.confirm_pair_cap, max(settings.pilot_pairs, enough))
    return replace(evidence, used=first.used).verdict(
        Status.INCONCLUSIVE,
        first.contrast,
        f": flagged by {pairs(first.used.pairs)}; {pairs(needed, 'fresh ')} are needed to confirm it",
        detectable=_detectable(first.contrast, settings),
        launches_needed=needed,
    )


def _detectable(contrast: Contrast, settings: Settings) -> float:
    # A change is called if both stages find it, so each has to with the root of the power.
    return detectable_change(contrast, settings.alpha, math.sqrt(settings.power))


def _evidence(name: str, case: CaseLaunches, state: _State, settings: Settings) -> Evidence:
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
