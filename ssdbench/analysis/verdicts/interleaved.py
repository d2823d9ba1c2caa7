"""The verdict rule for interleaved launches: the baseline's build is run again, in pairs with the candidate's.

    stage B   every case, pairs as `plan` asks. A case is suspect where it differs at level alpha in one direction and
              may differ by the margin: p < alpha and the far bound beyond the margin.
    stage C   every suspect again, on fresh pairs planned at alpha / number of suspects. Only these say what happened to
              a suspect; Holm at alpha over the suspects bounds the chance of any false alarm of a night.

    regressed, improved   suspect, rejected in C by Holm in the direction of B, far bound of C beyond the margin
    unchanged             the interval lies within the margin: that of B, of a suspect that of C
    inconclusive          everything else

Intervals have a confidence of 1 - alpha. Swapping the arms mirrors every verdict. Single shots and stored baselines:
`single_shot`, `sessions`. Derivation and figures: docs/verdicts.md.
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


def next_pairs(night: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """The pairs that each case still needs; empty when the night is done.

    Stage C begins when stage B is complete, because its plan depends on the number of suspects. A case that was
    abandoned, or that has an impossible value, needs nothing more.
    """
    state = _State.of(night, settings)
    return _wanted(night, Stage.MEASURE, state.measure) or _wanted(night, Stage.CONFIRM, state.confirm)


def next_launches(night: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """As `next_pairs` where the baseline is stored: the plan of stage B alone, because nothing of it can be fresh."""
    sound = {name: case for name, case in night.items() if _is_possible(case)}
    planned = _planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap)
    return _wanted(night, Stage.MEASURE, planned)


def judge(night: LaunchesByCase, settings: Settings) -> dict[str, Verdict]:
    """The verdict on each case by the pairs that its plan asks for; pairs beyond are not looked at.

    A night that ended early (a budget, an interruption) is judged by the pairs there are.
    """
    state = _State.of(night, settings)
    p_values = {
        name: _towards(state.suspects[name], case.contrast).p_beyond() if case.contrast else 1.0
        for name, case in state.confirm.items()
    }
    confirmed = holm(p_values, settings.alpha)
    return {name: _verdict(name, case, state, confirmed, settings) for name, case in night.items()}


def suspects(night: LaunchesByCase, settings: Settings) -> frozenset[str]:
    """The cases that stage B, as far as it is measured, suspects of a change."""
    return frozenset(_State.of(night, settings).suspects)


def direction(contrast: Contrast, settings: Settings) -> int:
    """+1 where a case is suspected to be worse, -1 where better, 0 where not suspect."""
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
    """Both stages of the cases that can be judged; `suspects` holds +1 (worse) or -1 (better)."""

    measure: Mapping[str, PairPlan]
    suspects: Mapping[str, int]
    confirm: Mapping[str, PairPlan]

    @staticmethod
    def of(night: LaunchesByCase, settings: Settings) -> "_State":
        sound = {name: case for name, case in night.items() if _is_possible(case)}
        measured = _planned(sound, Stage.MEASURE, settings, settings.alpha, settings.pair_cap)
        signs = {
            name: direction(case.contrast, settings)
            for name, case in measured.items()
            if case.contrast and case.contrast.varies
        }
        suspects = {name: sign for name, sign in signs.items() if sign}
        suspected = {name: sound[name] for name in suspects}
        level = settings.alpha / max(1, len(suspects))
        fresh = _planned(suspected, Stage.CONFIRM, settings, level, settings.confirm_pair_cap)
        return _State(measure=measured, suspects=suspects, confirm=fresh)


def _wanted(night: LaunchesByCase, stage: Stage, planned: Mapping[str, PairPlan]) -> dict[str, Wanted]:
    return {
        name: Wanted(stage=stage, pairs=case.wanted)
        for name, case in planned.items()
        if case.wanted > 0 and night[name].abandoned is None
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
    if name not in state.measure:
        return evidence.open_verdict(_impossible(case, settings))
    if case.abandoned is not None:
        return evidence.open_verdict(case.abandoned)
    first, fresh = state.measure[name], state.confirm.get(name)
    if first.contrast is None or first.used.pairs < settings.minimum_launches:
        return too_few(evidence)
    if fresh and (fresh.contrast is None or fresh.used.pairs < settings.minimum_launches):
        return _unconfirmed(evidence, first, len(state.suspects), settings)
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
    fresh = state.confirm[name].used.pairs if name in state.suspects else 0
    if not contrast.varies:
        return Status.INCONCLUSIVE, f": {EQUAL_LAUNCHES}"
    if name in confirmed:
        sign = state.suspects[name]
        reach = contrast.half_width(1 - settings.alpha)
        if _towards(sign, contrast).estimate + reach >= math.log1p(settings.margin):
            status = Status.REGRESSED if sign > 0 else Status.IMPROVED
            return status, f", confirmed by {pairs(fresh, 'fresh ')}"
    if is_within(contrast, settings):
        is_real = abs(contrast.estimate) > contrast.half_width(1 - settings.alpha)
        return Status.UNCHANGED, unchanged_text(settings, is_real=is_real)
    doubt = f" in {pairs(fresh, 'fresh ')}, which do not confirm the change seen first" if fresh else ""
    return Status.INCONCLUSIVE, doubt


def _unconfirmed(evidence: Evidence, first: PairPlan, suspects: int, settings: Settings) -> Verdict:
    assert first.contrast
    enough = required_pairs(first.contrast, settings, settings.alpha / suspects) or settings.confirm_pair_cap
    needed = min(settings.confirm_pair_cap, max(settings.pilot_pairs, enough))
    return replace(evidence, used=first.used).verdict(
        Status.INCONCLUSIVE,
        first.contrast,
        f": suspected in {pairs(first.used.pairs)}; {pairs(needed, 'fresh ')} are needed to confirm it",
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
    # Of both stages at once: the reason is about a value, and the number of launches is no obstacle then.
    both = Arms(
        baseline=case.measure.baseline + case.confirm.baseline,
        candidate=case.measure.candidate + case.confirm.candidate,
    )
    return why_unusable(case.metric, both, settings) or ""
