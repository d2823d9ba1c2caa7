"""The verdict rule against a stored baseline, whose build is not run again: the unit is a session, not a launch.

A build drifts between sessions (clocks, temperature, firmware, neighbours), and launches of one session cannot show
that. So a stored baseline can clear a case; it reports only changes beyond any drift. With S sessions,

    d = mean over candidate sessions - mean over baseline sessions, of the mean y of each session (`contrast`)
    h = t(1 - alpha / 2, f) * s * sqrt(1 / S + 1 / S_candidate),   s^2 the variance of the baseline's session means,
                                                                   shrunk over the cases (`spread`), f = S - 1 + f0

    unchanged            S >= 5 and |d| + h < m
    regressed, improved  |d| - h > drift cap (5 %), and rejected by Holm at alpha over all cases; p is that of a
                         difference within the cap
    inconclusive         everything else: measure again, interleaved

If launches spread more within the candidate's sessions than within the stored ones (F test at alpha), s is at least the
standard error of the candidate's mean: a noisy run is not judged by the calm of earlier ones. If a candidate's session
has fewer launches than a stored one, the variance of its mean is larger by w^2 (1 / n_candidate - 1 / n), with w^2 the
variance of launches within the stored sessions. With fewer than five
sessions their spread is not known: d and h are those of the launches (Welch-Yuen), nothing is "unchanged", and no
interval is given: that of the launches leaves out the drift between sessions, and at the published SDs the one for 99 %
holds the true change in 79 of 100 cases with sessions 0.2 % apart.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from statistics import variance as variance_of

from ssdbench.analysis.verdicts.contrast import Contrast, contrasts, f_tail, holm, of_units, worse
from ssdbench.analysis.verdicts.sample_size import required_pairs
from ssdbench.analysis.verdicts.spread import WIDER_SESSIONS_LEVEL, fit_prior, is_wider, shrunk
from ssdbench.analysis.verdicts.stages import is_within
from ssdbench.analysis.verdicts.wording import (
    EQUAL_LAUNCHES,
    Evidence,
    detectable_change,
    needed_text,
    too_few,
    unchanged_text,
    why_unusable,
)
from ssdbench.schema.launch_values import Arms, CaseSessions
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import Mode, Status, Verdict


def judge_stored(cases: Mapping[str, CaseSessions], settings: Settings) -> dict[str, Verdict]:
    """The verdict on each case by its sessions."""
    sound = {name: case for name, case in cases.items() if why_unusable(case.metric, _arms(case), settings) is None}
    of_launches = contrasts([(case.metric, _arms(case)) for case in sound.values()], settings)
    of_sessions = session_contrasts({name: case for name, case in sound.items() if _is_known(case, settings)}, settings)
    seen = {
        name: _Seen(launches=contrast, judged=of_sessions.get(name, contrast))
        for (name, case), contrast in zip(sound.items(), of_launches, strict=True)
    }
    p_values = {name: _p_beyond_drift(both.judged, settings) for name, both in seen.items() if both.judged.varies}
    rejected = holm(p_values, settings.alpha)
    tested = max(1, len(p_values))
    return {name: _verdict(case, seen.get(name), name in rejected, tested, settings) for name, case in cases.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The contrast that is judged, and that of all launches, from which follows how many pairs would be needed."""

    judged: Contrast
    launches: Contrast


def _verdict(case: CaseSessions, seen: _Seen | None, is_rejected: bool, tested: int, settings: Settings) -> Verdict:
    arms = _arms(case)
    evidence = Evidence(
        metric=case.metric,
        mode=Mode.STORED,
        settings=settings,
        used=arms,
        baseline_launches=len(arms.baseline),
        candidate_launches=len(arms.candidate),
    )
    if seen is None:
        found = too_few(evidence)
        return found if _is_known(case, settings) else replace(found, low=None, high=None)
    contrast = seen.judged
    # The first step of Holm, and the interval: both have to lie beyond the drift.
    level = min(settings.alpha / 2, settings.alpha / tested)
    reach = detectable_change(contrast, level, settings.power)
    needed = required_pairs(seen.launches, settings, settings.alpha)
    status, because = _status(case, contrast, is_rejected, settings)
    if status is Status.INCONCLUSIVE and contrast.varies:
        because += _remedy(case, needed, settings)
    detectable = math.log1p(settings.drift_cap) + reach
    is_known = _is_known(case, settings)
    found = evidence.verdict(
        status, contrast, because, detectable=detectable, launches_needed=needed, has_interval=is_known
    )
    if not is_known:
        return found
    # The change is one of session means, so the values given with it are those means, not trimmed ones of all launches.
    return replace(found, baseline_value=_mean_of(case.baseline), candidate_value=_mean_of(case.candidate))


def _status(case: CaseSessions, contrast: Contrast, is_rejected: bool, settings: Settings) -> tuple[Status, str]:
    if not contrast.varies:
        return Status.INCONCLUSIVE, f": {EQUAL_LAUNCHES}"
    size, reach = abs(contrast.estimate), contrast.half_width(1 - settings.alpha)
    if _is_known(case, settings) and is_within(contrast, settings):
        return Status.UNCHANGED, unchanged_text(settings, is_real=size > reach)
    is_beyond_drift = is_rejected and size - reach > math.log1p(settings.drift_cap)
    if is_beyond_drift and size + reach >= math.log1p(settings.margin):
        status = Status.REGRESSED if contrast.estimate > 0 else Status.IMPROVED
        return status, f": more than the {percent(settings.drift_cap, 0)} that one build may drift between sessions"
    return Status.INCONCLUSIVE, ""


def _remedy(case: CaseSessions, needed: int | None, settings: Settings) -> str:
    sessions = len(case.baseline)
    stored = pluralize(sessions, "stored session")
    few = f"; {stored} cannot show the drift between sessions, {settings.minimum_sessions} are needed"
    return (
        f": not beyond the {percent(settings.drift_cap, 0)} that one build may drift between sessions, nor shown to be "
        f"within the margin of {100 * settings.margin:g}%{'' if _is_known(case, settings) else few}; measure both "
        f"builds again, interleaved, in {needed_text(needed)}"
    )


def _p_beyond_drift(contrast: Contrast, settings: Settings) -> float:
    cap = math.log1p(settings.drift_cap)
    return min(contrast.p_beyond(cap), contrast.mirrored().p_beyond(cap))


def _mean_of(sessions: Sequence[Sequence[float]]) -> float:
    return math.exp(fmean(fmean(map(math.log, session)) for session in sessions if session))


def _is_known(case: CaseSessions, settings: Settings) -> bool:
    return len(case.baseline) >= settings.minimum_sessions


def session_contrasts(cases: Mapping[str, CaseSessions], settings: Settings) -> dict[str, Contrast]:
    """The contrast of the session means of each case; it has at least two stored sessions, and one of the candidate.

    All values are positive and finite. A session of the candidate may hold a single launch.
    """
    alone = {name: _of_own_sessions(case, settings) for name, case in cases.items()}
    if settings.rule == "fixed":
        return {name: found.by_variance(found.variance, found.contrast.freedom) for name, found in alone.items()}
    # The spread between sessions is known from few of them, and the other cases had as many.
    shrunk: dict[str, Contrast] = {}
    for sessions in {len(case.baseline) for case in cases.values()}:
        alike = {name: alone[name] for name, case in cases.items() if len(case.baseline) == sessions}
        shrunk |= _shrunk(alike, sessions - 1, settings)
    return shrunk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sessions:
    """The contrast of session means by their own spread, the variance of the stored ones, and the least SD of one.

    `fewer` is what the candidate's mean varies more, because its sessions have fewer launches.
    """

    contrast: Contrast
    variance: float
    least: float
    fewer: float

    def by_variance(self, variance: float, freedom: float) -> Contrast:
        """The contrast by this variance of a session mean."""
        scale = self.contrast.error / max(math.sqrt(self.variance), self.least)
        error = math.hypot(max(math.sqrt(variance), self.least) * scale, math.sqrt(self.fewer))
        return replace(self.contrast, error=error, freedom=freedom)


def _shrunk(alike: Mapping[str, _Sessions], freedom: int, settings: Settings) -> dict[str, Contrast]:
    import numpy as np

    own = np.array([case.variance for case in alike.values()])
    prior = fit_prior(own, freedom, settings.noise_floor**2)
    wider = is_wider(own / prior.variance, freedom, prior.freedom, WIDER_SESSIONS_LEVEL)
    drawn, freedoms = shrunk(own, freedom, prior.without(wider))
    return {
        name: case.by_variance(float(drawn[row]), float(freedoms[row]))
        for row, (name, case) in enumerate(alike.items())
    }


def _of_own_sessions(case: CaseSessions, settings: Settings) -> _Sessions:
    baseline, candidate = (
        [[worse(case.metric, value) for value in session] for session in side if session]
        for side in (case.baseline, case.candidate)
    )
    least = settings.noise_floor
    if _is_noisier(baseline, candidate, settings.alpha):
        least = max(least, *(stdev(session) / math.sqrt(len(session)) for session in candidate if len(session) > 1))
    means = list(map(fmean, baseline))
    contrast = of_units(means, list(map(fmean, candidate)), least)
    return _Sessions(
        contrast=contrast, variance=variance_of(means), least=least, fewer=_of_fewer_launches(baseline, candidate)
    )


def _of_fewer_launches(baseline: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]]) -> float:
    """What the variance of the candidate's mean has beyond that of as many sessions like the stored ones."""
    squares, freedom = _within(baseline)
    there, here = (fmean(1 / len(session) for session in side) for side in (baseline, candidate))
    return squares / freedom * max(0.0, here - there) / len(candidate) if freedom else 0.0


def _is_noisier(baseline: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]], alpha: float) -> bool:
    """Whether launches within the candidate's sessions spread more than within the baseline's (F test)."""
    (there, there_freedom), (here, here_freedom) = _within(baseline), _within(candidate)
    if here_freedom == 0 or here == 0:
        return False
    if there_freedom == 0 or there == 0:
        return True
    return f_tail((here / here_freedom) / (there / there_freedom), here_freedom, there_freedom) < alpha


def _within(sessions: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Sum of squares around the session means, and its degrees of freedom."""
    squares = math.fsum((value - fmean(session)) ** 2 for session in sessions for value in session)
    return squares, sum(len(session) - 1 for session in sessions)


def _arms(case: CaseSessions) -> Arms:
    return Arms(
        baseline=tuple(value for session in case.baseline for value in session),
        candidate=tuple(value for session in case.candidate for value in session),
    )
