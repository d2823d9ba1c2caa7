"""The verdict rule where nothing may be measured again: one set of launches of both arms, taken in one session.

All launches are used, even if the arms have different numbers of them. Holm at alpha over *all* cases, on two-sided p,
bounds the chance of a false alarm in place of fresh pairs; unchanged and inconclusive are as in `interleaved`. That
costs power: finding a change of 1 % at the noise of SSD on a GPU takes 8 launches on each side. One launch on a side is
always inconclusive; against three or more it has its prediction interval.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.analysis.verdicts.contrast import Contrast, contrasts, holm
from ssdbench.analysis.verdicts.sample_size import required_pairs
from ssdbench.analysis.verdicts.stages import is_within
from ssdbench.analysis.verdicts.wording import (
    EQUAL_LAUNCHES,
    Evidence,
    detectable_change,
    inconclusive_text,
    launches,
    too_few,
    unchanged_text,
    why_unusable,
)
from ssdbench.schema.launch_values import CaseLaunches, LaunchesByCase
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Mode, Status, Verdict


def judge_single_shot(cases: LaunchesByCase, settings: Settings) -> dict[str, Verdict]:
    """The verdict on each case by all launches of `measure`; those of `confirm` are not used."""
    sound = {
        name: case
        for name, case in cases.items()
        if case.abandoned is None and why_unusable(case.metric, case.measure, settings) is None
    }
    found = contrasts([(case.metric, case.measure) for case in sound.values()], settings)
    seen = dict(zip(sound, found, strict=True))
    p_values = {name: two_sided(contrast) for name, contrast in seen.items() if contrast.varies}
    corrections = _Corrections(cases=len(p_values), rejected=holm(p_values, settings.alpha))
    return {name: _verdict(name, case, seen, corrections, settings) for name, case in cases.items()}


def two_sided(contrast: Contrast) -> float:
    """p of "no difference"."""
    return min(1.0, 2 * min(contrast.p_beyond(), contrast.mirrored().p_beyond()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Corrections:
    cases: int
    rejected: set[str]


def _verdict(
    name: str, case: CaseLaunches, seen: Mapping[str, Contrast], corrections: _Corrections, settings: Settings
) -> Verdict:
    evidence = Evidence(
        metric=case.metric,
        mode=Mode.SINGLE_SHOT,
        settings=settings,
        used=case.measure,
        baseline_launches=len(case.measure.baseline),
        candidate_launches=len(case.measure.candidate),
    )
    if case.abandoned is not None:
        return evidence.open_verdict(case.abandoned)
    if name not in seen:
        return too_few(evidence)
    contrast = seen[name]
    level = settings.alpha / (2 * max(1, corrections.cases))
    detectable = detectable_change(contrast, level, settings.power)
    needed = required_pairs(contrast, settings, level)
    status, because = _status(name, contrast, corrections, evidence)
    if status is Status.INCONCLUSIVE and contrast.varies:
        because += inconclusive_text(settings, detectable, needed)
    return evidence.verdict(status, contrast, because, detectable=detectable, launches_needed=needed)


def _status(name: str, contrast: Contrast, corrections: _Corrections, evidence: Evidence) -> tuple[Status, str]:
    settings = evidence.settings
    if not contrast.varies:
        return Status.INCONCLUSIVE, f": {EQUAL_LAUNCHES}"
    far = abs(contrast.estimate) + contrast.half_width(1 - settings.alpha)
    if name in corrections.rejected and far >= math.log1p(settings.margin):
        status = Status.REGRESSED if contrast.estimate > 0 else Status.IMPROVED
        seen = f"{launches(evidence.candidate_launches)} against {evidence.baseline_launches}"
        return status, f", by {seen} in one shot (Holm over {pluralize(corrections.cases, 'case')})"
    if is_within(contrast, settings):
        is_real = abs(contrast.estimate) > contrast.half_width(1 - settings.alpha)
        return Status.UNCHANGED, unchanged_text(settings, is_real=is_real)
    return Status.INCONCLUSIVE, ""
