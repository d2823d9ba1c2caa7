"""The two stages of an interleaved rule on arrays, whatever plans them: one row per case of any run.

Every formula is that of `ssdbench.analysis.verdicts`, where they are explained.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from benchmarks.verdicts.decided import Answer, Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.world import Flags
from ssdbench.schema.settings import Settings

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """`contrast.Contrast` of every row; `excludes`: whether the ranks exclude a change of the margin (None: all do)."""

    estimate: Floats
    error: Floats
    freedom: Floats
    varies: Flags
    excludes: Flags | None = None

    def reach(self, settings: Settings) -> Floats:
        """Half of the interval."""
        reach: Floats = stdtrit(self.freedom, 1 - settings.alpha / 2) * self.error
        return reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The launches of one stage, (rows, pairs): logarithms."""

    baseline: Floats
    candidate: Floats

    @staticmethod
    def of(baseline: Floats, candidate: Floats) -> "Stage":
        """Of launches of shape (runs, cases, pairs)."""
        rows = baseline.shape[0] * baseline.shape[1]
        return Stage(baseline=baseline.reshape(rows, -1), candidate=candidate.reshape(rows, -1))

    def rows(self, chosen: Counts) -> "Stage":
        return Stage(baseline=self.baseline[chosen], candidate=self.candidate[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The stage `measure`: the run of each row, the pairs that it used, and their contrasts."""

    runs: Counts
    pairs: Counts
    seen: Contrasts
    signs: NDArray[np.int8]

    @staticmethod
    def of(runs: Counts, pairs: Counts, seen: Contrasts, settings: Settings) -> "Measured":
        return Measured(runs=runs, pairs=pairs, seen=seen, signs=_flags(seen, settings))

    @property
    def flagged(self) -> Counts:
        """The rows that are flagged."""
        return np.flatnonzero(self.signs)

    def levels(self, settings: Settings) -> Floats:
        """The share of alpha that each flagged row has in its run."""
        of_run = self.runs[self.flagged]
        levels: Floats = settings.alpha / np.bincount(of_run)[of_run]
        return levels

    def decided(self, settings: Settings, fresh: "Confirmed | None", shape: tuple[int, int]) -> Decided:
        """The verdicts, in this shape; `fresh` holds the flagged rows, if there are any."""
        seen, chosen = self.seen, self.flagged
        status = np.where(is_within(seen, settings) & seen.varies, Answer.UNCHANGED, Answer.INCONCLUSIVE)
        centre, reach, launches = seen.estimate.copy(), seen.reach(settings), 2 * self.pairs
        if fresh is not None:
            launches[chosen] += 2 * fresh.pairs
            centre[chosen], reach[chosen] = fresh.seen.estimate, fresh.seen.reach(settings)
            rejected = holm(fresh.p, self.runs[chosen], settings.alpha)
            status[chosen] = _confirmed(fresh.seen, self.signs[chosen], rejected, settings)
        return Decided(
            status=status.astype(np.int8).reshape(shape),
            low=np.expm1(centre - reach).reshape(shape),
            high=np.expm1(centre + reach).reshape(shape),
            launches=launches.reshape(shape),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The stage `confirm` of the flagged rows, and the p of each in the direction of its flag."""

    pairs: Counts
    seen: Contrasts
    p: Floats


def p_towards(seen: Contrasts, signs: NDArray[np.int8]) -> Floats:
    """One-sided p of "no difference" in the direction of each sign."""
    p: Floats = stdtr(seen.freedom, -signs * seen.estimate / seen.error)
    return p


def is_within(seen: Contrasts, settings: Settings) -> Flags:
    """Whether the whole interval lies inside the margin, and the ranks agree."""
    within: Flags = np.abs(seen.estimate) + seen.reach(settings) < np.log1p(settings.margin)
    return within if seen.excludes is None else within & seen.excludes


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


def varies(stage: Stage, trim: float) -> Flags:
    """Whether the launches that trimming leaves differ, in either arm."""
    kept = []
    for side in (stage.baseline, stage.candidate):
        cut = int(trim * side.shape[1])
        kept.append(np.sort(side, axis=1)[:, cut : side.shape[1] - cut])
    differ: Flags = np.any([side[:, -1] > side[:, 0] for side in kept], axis=0)
    return differ


def _flags(seen: Contrasts, settings: Settings) -> NDArray[np.int8]:
    """+1 of rows that are flagged as slower, -1 as faster, 0 of the others."""
    signs = np.zeros(len(seen.estimate), dtype=np.int8)
    reach = seen.reach(settings)
    for sign in (-1, 1):
        differs = p_towards(seen, np.full(len(signs), sign, dtype=np.int8)) < settings.alpha
        signs[differs & (sign * seen.estimate + reach >= np.log1p(settings.margin)) & seen.varies] = sign
    return signs


def _confirmed(fresh: Contrasts, signs: NDArray[np.int8], rejected: Flags, settings: Settings) -> NDArray[np.int8]:
    reaches = signs * fresh.estimate + fresh.reach(settings) >= np.log1p(settings.margin)
    changed = np.where(signs > 0, Answer.REGRESSED, Answer.IMPROVED)
    otherwise = np.where(is_within(fresh, settings), Answer.UNCHANGED, Answer.INCONCLUSIVE)
    found = np.where(rejected & reaches, changed, otherwise)
    return np.where(fresh.varies, found, Answer.INCONCLUSIVE).astype(np.int8)
