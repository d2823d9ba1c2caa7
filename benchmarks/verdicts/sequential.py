"""The rule `sequential` of `ssdbench.analysis.verdicts` on the launches of many runs at once, by its own arrays."""

import numpy as np

from benchmarks.verdicts.decided import Decided
from benchmarks.verdicts.stages import Confirmed, Contrasts, Counts, Measured, Stage, varies
from benchmarks.verdicts.world import Drawn
from ssdbench.analysis.verdicts import looks
from ssdbench.analysis.verdicts.spread import Prior, fit_prior
from ssdbench.schema.settings import Settings


def decide(drawn: Drawn, settings: Settings) -> Decided:
    """Each case by the pairs that its looks ask for."""
    launches, priors = Stage.of(drawn.baseline, drawn.candidate), _priors(drawn, settings)
    replay = looks.measure(_values(launches), priors, settings)
    measured = Measured.of(drawn.shape, replay.used, _contrasts(launches, replay, settings), settings)
    chosen = measured.flagged
    if not chosen.size:
        return measured.decided(settings, None)
    again = Stage.of(drawn.fresh_baseline, drawn.fresh_candidate).rows(chosen)
    first = looks.Replay(
        asked=replay.asked[chosen],
        used=replay.used[chosen],
        estimate=replay.estimate[chosen],
        error=replay.error[chosen],
        freedom=replay.freedom[chosen],
    )
    fresh = looks.confirm(first, _values(again), priors.of(chosen), measured.levels(settings), settings)
    p = looks.confirmed_p(fresh, _values(again), measured.signs[chosen].astype(np.intp))
    seen = _contrasts(again, fresh, settings)
    return measured.decided(settings, Confirmed(pairs=fresh.used, seen=seen, p=p))


def _priors(drawn: Drawn, settings: Settings) -> looks.Priors:
    """Those of each run, for each of its cases."""
    first = settings.looks[0]
    baseline, candidate = (
        fit_prior(side[..., :first].var(axis=-1, ddof=1), first - 1, settings.noise_floor**2)
        for side in (drawn.baseline, drawn.candidate)
    )

    def each(prior: Prior) -> Prior:
        variance, freedom = (np.broadcast_to(side, drawn.shape).ravel() for side in (prior.variance, prior.freedom))
        return Prior(variance=variance, freedom=freedom)

    return looks.Priors(baseline=each(baseline), candidate=each(candidate))


def _values(launches: Stage) -> looks.Values:
    rows, pairs = launches.baseline.shape
    return looks.Values(baseline=launches.baseline, candidate=launches.candidate, pairs=np.full(rows, pairs))


def _contrasts(launches: Stage, replay: looks.Replay, settings: Settings) -> Contrasts:
    differ = np.empty(len(replay.used), dtype=bool)
    for number in np.unique(replay.used):
        rows: Counts = np.flatnonzero(replay.used == number)
        part = Stage(baseline=launches.baseline[rows, :number], candidate=launches.candidate[rows, :number])
        differ[rows] = varies(part, settings.trim)
    return Contrasts(estimate=replay.estimate, error=replay.error, freedom=replay.freedom, varies=differ)
