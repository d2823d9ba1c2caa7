"""The rule `fixed` of `ssdbench.analysis.verdicts.interleaved` on arrays: one row per case of any run.

Every formula is that of `contrast`, `sample_size` and `interleaved`, where they are explained.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import stdtr, stdtrit

from benchmarks.verdicts.decided import Answer, Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.world import Drawn, Flags
from ssdbench.schema.settings import Settings

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """`contrast.Contrast` of every row."""

    estimate: Floats
    error: Floats
    freedom: Floats
    varies: Flags

    def reach(self, settings: Settings) -> Floats:
        """Half of the interval."""
        reach: Floats = stdtrit(self.freedom, 1 - settings.alpha / 2) * self.error
        return reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The launches of one stage, (rows, pairs): logarithms."""

    baseline: Floats
    candidate: Floats

    def rows(self, chosen: NDArray[np.int64]) -> "Stage":
        return Stage(baseline=self.baseline[chosen], candidate=self.candidate[chosen])


def decide(drawn: Drawn, settings: Settings) -> Decided:
    """Each case by the pairs that its plan asks for."""
    shape = drawn.changes.shape
    pairs, seen = planned(stage(drawn.baseline, drawn.candidate), settings, np.array(settings.alpha))
    signs = _flagged(seen, settings)
    chosen = np.flatnonzero(signs)
    status = np.where(_is_within(seen, settings) & seen.varies, Answer.UNCHANGED, Answer.INCONCLUSIVE)
    centre, reach, launches = seen.estimate.copy(), seen.reach(settings), 2 * pairs
    if chosen.size:
        counts = np.count_nonzero(signs.reshape(shape), axis=1)
        levels = settings.alpha / np.repeat(counts, shape[1])[chosen]
        again = stage(drawn.fresh_baseline, drawn.fresh_candidate).rows(chosen)
        more, fresh = planned(again, settings, levels)
        launches[chosen] += 2 * more
        centre[chosen], reach[chosen] = fresh.estimate, fresh.reach(settings)
        status[chosen] = _confirmed(fresh, signs[chosen], chosen // shape[1], settings)
    return Decided(
        status=status.astype(np.int8).reshape(shape),
        low=np.expm1(centre - reach).reshape(shape),
        high=np.expm1(centre + reach).reshape(shape),
        launches=launches.reshape(shape),
    )


def contrasts(stage: Stage, settings: Settings) -> Contrasts:
    """Of all pairs of the stage."""
    there, here = (
        np.asarray(stats.trim_mean(side, settings.trim, axis=1)) for side in (stage.baseline, stage.candidate)
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        moved = stats.ttest_ind(
            stage.candidate - here[:, None] + 1.0,
            stage.baseline - there[:, None],
            axis=1,
            equal_var=False,
            trim=settings.trim,
        )
        errors = 1.0 / moved.statistic
    size = stage.baseline.shape[1]
    varies = _varies(stage.baseline, settings.trim) | _varies(stage.candidate, settings.trim)
    left = 2 * (size - 2 * int(settings.trim * size))
    return Contrasts(
        estimate=here - there,
        error=np.fmax(errors, settings.noise_floor * np.sqrt(2 / size)),
        freedom=np.where(varies & np.isfinite(moved.df), moved.df, left - 2),
        varies=varies,
    )


def planned(stage: Stage, settings: Settings, levels: Floats) -> tuple[Counts, Contrasts]:
    """The pairs that the plan of each row asks for, and their contrast; `levels` are those of the stage, per row."""
    rows, cap = stage.baseline.shape
    pairs = np.full(rows, settings.first_pairs, dtype=np.int64)
    levels = np.broadcast_to(levels, rows)
    still_open = np.arange(rows)
    for _ in range(settings.replans):
        still_open = still_open[pairs[still_open] < cap]
        if not still_open.size:
            break
        seen = _by_size(stage.rows(still_open), pairs[still_open], settings)
        more = _replanned(seen, pairs[still_open], levels[still_open], settings, cap)
        grows = more > pairs[still_open]
        pairs[still_open] = more
        still_open = still_open[grows]
    return pairs, _by_size(stage, pairs, settings)


def _by_size(stage: Stage, pairs: Counts, settings: Settings) -> Contrasts:
    found = {name: np.empty(len(pairs)) for name in ("estimate", "error", "freedom")}
    varies = np.empty(len(pairs), dtype=bool)
    for number in np.unique(pairs):
        rows = np.flatnonzero(pairs == number)
        part = Stage(baseline=stage.baseline[rows, :number], candidate=stage.candidate[rows, :number])
        of_rows = contrasts(part, settings)
        for name, column in found.items():
            column[rows] = getattr(of_rows, name)
        varies[rows] = of_rows.varies
    return Contrasts(**found, varies=varies)


def _replanned(seen: Contrasts, pairs: Counts, levels: Floats, settings: Settings, cap: int) -> Counts:
    target = np.log1p(settings.margin)
    enough = (_quantiles(seen.freedom, levels) + stdtrit(seen.freedom, settings.plan_power)) * seen.error <= target
    least = np.full(len(pairs), cap, dtype=np.int64)
    at_level, place = np.unique(levels, return_inverse=True)
    for number in range(cap - 1, settings.first_pairs, -1):
        freedom = 2.0 * (number - 2 * int(settings.trim * number) - 1)
        width = stdtrit(freedom, 1 - at_level)[place] + stdtrit(freedom, settings.plan_power)
        suffices = (number > pairs) & (width * (seen.error * np.sqrt(pairs / number)) <= target)
        least[suffices] = number
    return np.where(enough, pairs, np.minimum(cap, np.maximum(pairs + 2, least)))


def _flagged(seen: Contrasts, settings: Settings) -> NDArray[np.int8]:
    """+1 of rows that are flagged as slower, -1 as faster, 0 of the others."""
    signs = np.zeros(len(seen.estimate), dtype=np.int8)
    reach = seen.reach(settings)
    for sign in (-1, 1):
        p = stdtr(seen.freedom, -sign * seen.estimate / seen.error)
        hit = (p < settings.alpha) & (sign * seen.estimate + reach >= np.log1p(settings.margin)) & seen.varies
        signs[hit] = sign
    return signs


def _confirmed(fresh: Contrasts, signs: NDArray[np.int8], runs: Counts, settings: Settings) -> NDArray[np.int8]:
    """The answers on flagged rows by their fresh pairs; `runs` is the run of each."""
    p = stdtr(fresh.freedom, -signs * fresh.estimate / fresh.error)
    rejected = holm(p, runs, settings.alpha)
    reaches = signs * fresh.estimate + fresh.reach(settings) >= np.log1p(settings.margin)
    changed = np.where(signs > 0, Answer.REGRESSED, Answer.IMPROVED)
    otherwise = np.where(_is_within(fresh, settings), Answer.UNCHANGED, Answer.INCONCLUSIVE)
    found = np.where(rejected & reaches, changed, otherwise)
    return np.where(fresh.varies, found, Answer.INCONCLUSIVE).astype(np.int8)


def holm(p: Floats, runs: Counts, alpha: float) -> Flags:
    """Which of these hypotheses Holm's test rejects, each run by itself."""
    order = np.lexsort((p, runs))
    _, begins, sizes = np.unique(runs[order], return_index=True, return_counts=True)
    rank = np.arange(len(p)) - np.repeat(begins, sizes)
    fails = p[order] > alpha / (np.repeat(sizes, sizes) - rank)
    failed_before = np.cumsum(fails)
    before_the_run: Counts = np.repeat(failed_before[begins] - fails[begins], sizes)
    rejected = np.empty(len(p), dtype=bool)
    rejected[order] = failed_before == before_the_run
    return rejected


def _is_within(seen: Contrasts, settings: Settings) -> Flags:
    within: Flags = np.abs(seen.estimate) + seen.reach(settings) < np.log1p(settings.margin)
    return within


def _quantiles(freedom: Floats, levels: Floats) -> Floats:
    found: Floats = stdtrit(freedom, 1 - levels)
    return found


def stage(baseline: Floats, candidate: Floats) -> Stage:
    rows = baseline.shape[0] * baseline.shape[1]
    return Stage(baseline=baseline.reshape(rows, -1), candidate=candidate.reshape(rows, -1))


def _varies(values: Floats, trim: float) -> Flags:
    cut = int(trim * values.shape[1])
    kept = np.sort(values, axis=1)[:, cut : values.shape[1] - cut]
    varies: Flags = kept[:, -1] > kept[:, 0]
    return varies
