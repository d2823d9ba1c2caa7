"""The rule `sequential` of `ssdbench.analysis.verdicts` on the launches of many runs at once, by its own arrays."""

from dataclasses import dataclass

import numpy as np

from benchmarks.verdicts.decided import Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.stages import Confirmed, Contrasts, Counts, Measured, Stage, varies
from benchmarks.verdicts.world import Drawn, Flags
from ssdbench.analysis.verdicts import looks
from ssdbench.analysis.verdicts.spread import Prior, fit_prior
from ssdbench.schema.settings import Settings


def decide(drawn: Drawn, settings: Settings) -> Decided:
    """Each case by the pairs that its looks ask for."""
    return _decided(_Rows.of(drawn), _priors(drawn, settings), settings, drawn.shape)


def decide_chosen(drawn: Drawn, chosen: Flags, settings: Settings) -> Decided:
    """The chosen cases (runs, cases) as if each run had no others; those are inconclusive, and have no launches."""
    shape = drawn.shape
    status, launches = np.zeros(shape, dtype=np.int8), np.zeros(shape, dtype=np.int64)
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    if chosen.any():
        rows = _Rows.of(drawn).chosen(np.flatnonzero(chosen))
        found = _decided(rows, _priors_of_rows(rows, settings), settings, (1, len(rows.runs)))
        status[chosen], launches[chosen] = found.status[0], found.launches[0]
        low[chosen], high[chosen] = found.low[0], found.high[0]
    return Decided(status=status, low=low, high=high, launches=launches)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Launches of both stages, and the run of each row."""

    measure: Stage
    fresh: Stage
    runs: Counts

    @staticmethod
    def of(drawn: Drawn) -> "_Rows":
        return _Rows(
            measure=Stage.of(drawn.baseline, drawn.candidate),
            fresh=Stage.of(drawn.fresh_baseline, drawn.fresh_candidate),
            runs=drawn.runs,
        )

    def chosen(self, rows: Counts) -> "_Rows":
        return _Rows(measure=self.measure.rows(rows), fresh=self.fresh.rows(rows), runs=self.runs[rows])


def _decided(rows: _Rows, priors: looks.Priors, settings: Settings, shape: tuple[int, int]) -> Decided:
    launches = rows.measure
    replay = looks.measure(_values(launches), priors, settings)
    measured = Measured.of(rows.runs, replay.used, _contrasts(launches, replay, settings), settings)
    chosen = measured.flagged
    if not chosen.size:
        return measured.decided(settings, None, shape)
    again = rows.fresh.rows(chosen)
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
    return measured.decided(settings, Confirmed(pairs=fresh.used, seen=seen, p=p), shape)


def _priors(drawn: Drawn, settings: Settings) -> looks.Priors:
    """Those of each run, for each of its cases."""

    def each(side: Floats) -> Prior:
        prior = _prior(side, settings)
        variance, freedom = (np.broadcast_to(side, drawn.shape).ravel() for side in (prior.variance, prior.freedom))
        return Prior(variance=variance, freedom=freedom)

    return looks.Priors(baseline=each(drawn.baseline), candidate=each(drawn.candidate))


def _priors_of_rows(rows: _Rows, settings: Settings) -> looks.Priors:
    """The same where runs have unlike numbers of cases; the rows of a run follow one another."""
    _, begins = np.unique(rows.runs, return_index=True)

    def each(side: Floats) -> Prior:
        parts = [(len(part), _prior(part, settings)) for part in np.split(side, begins[1:])]
        return Prior(
            variance=np.concatenate([np.repeat(prior.variance, size) for size, prior in parts]),
            freedom=np.concatenate([np.repeat(prior.freedom, size) for size, prior in parts]),
        )

    return looks.Priors(baseline=each(rows.measure.baseline), candidate=each(rows.measure.candidate))


def _prior(launches: Floats, settings: Settings) -> Prior:
    """By the first launches of all cases, (..., cases, launches)."""
    first = settings.looks[0]
    return fit_prior(launches[..., :first].var(axis=-1, ddof=1), first - 1, settings.noise_floor**2)


def _values(launches: Stage) -> looks.Values:
    rows, pairs = launches.baseline.shape
    return looks.Values(baseline=launches.baseline, candidate=launches.candidate, pairs=np.full(rows, pairs))


def _contrasts(launches: Stage, replay: looks.Replay, settings: Settings) -> Contrasts:
    differ = np.empty(len(replay.used), dtype=bool)
    for number in np.unique(replay.used):
        rows: Counts = np.flatnonzero(replay.used == number)
        part = Stage(baseline=launches.baseline[rows, :number], candidate=launches.candidate[rows, :number])
        differ[rows] = varies(part, settings.trim)
    return Contrasts(
        estimate=replay.estimate,
        error=replay.error,
        freedom=replay.freedom,
        varies=differ,
        excludes=looks.ranks_exclude_margin(replay.used, _values(launches), settings),
    )
