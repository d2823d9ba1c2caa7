"""A rule over many runs of a world: what it said of changed and unchanged cases, with exact binomial bounds.

Runs are simulated in blocks, each with a seed of its own: equal seeds give equal scores, whatever the number of
processes, and rules that draw the same launches are compared on the same ones.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from scipy import stats

from benchmarks.verdicts.decided import Answer, Decided
from benchmarks.verdicts.rules import Rule
from benchmarks.verdicts.world import Flags, World

BLOCK_CASES = 20_000
"""Of a block of runs: so many that numpy's overhead vanishes, and so few that its arrays take some 50 MB."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `total`, with its Clopper-Pearson interval at 95 %."""

    count: int = 0
    total: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(count=self.count + other.count, total=self.total + other.total)

    @property
    def value(self) -> float:
        return self.count / self.total if self.total else float("nan")

    @property
    def bounds(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        interval = stats.binomtest(self.count, self.total).proportion_ci(0.95, method="exact")
        return float(interval.low), float(interval.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares of runs, of changed cases and of unchanged ones; those of other scores can be added.

    alarms: runs with a false "regressed"; false_changes: with a false "regressed" or "improved".
    found, passed, undecided, seen: changed cases that were called in the right direction, were called "unchanged", were
        inconclusive, and whose interval excludes 0.
    cleared, open: unchanged cases that were called "unchanged", and that were inconclusive.
    covered: cases whose stated interval contains the true change, of all that have one.
    launches: per case: `count` launches of `total` cases.
    paired: cases that were measured in pairs.
    """

    alarms: Share = Share()
    false_changes: Share = Share()
    found: Share = Share()
    passed: Share = Share()
    undecided: Share = Share()
    seen: Share = Share()
    cleared: Share = Share()
    open: Share = Share()
    covered: Share = Share()
    launches: Share = Share()
    paired: Share = Share()

    def __add__(self, other: "Score") -> "Score":
        return Score(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})

    @property
    def runs(self) -> int:
        return self.alarms.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A rule to be scored on a number of runs of a world."""

    rule: Rule
    world: World
    runs: int

    def blocks(self) -> Iterator[int]:
        """The number of runs of each block."""
        most = max(1, BLOCK_CASES // self.world.cases)
        for begin in range(0, self.runs, most):
            yield min(most, self.runs - begin)


def score(rule: Rule, world: World, runs: int, seed: int) -> Score:
    """In this process."""
    (found,) = score_all([Job(rule=rule, world=world, runs=runs)], seed)
    return found


def score_all(jobs: Sequence[Job], seed: int, processes: int = 1, progress: Progress = lambda _: None) -> list[Score]:
    """The score of each job, in their order; `progress` is told of each that is done."""
    blocks = [(job, number, runs, seed) for job in jobs for number, runs in enumerate(job.blocks())]
    if processes == 1:
        return _gathered(jobs, map(_score_block, blocks), progress)
    with ProcessPoolExecutor(processes) as pool:
        return _gathered(jobs, pool.map(_score_block, blocks), progress)


def of_decided(decided: Decided, world: World) -> Score:
    """The score of a block."""
    changes = world.true_changes()
    changed = changes != 0
    status, right = decided.status, np.where(changes < 0, Answer.IMPROVED, Answer.REGRESSED)
    of_changed, of_unchanged = status[:, changed], status[:, ~changed]
    regressed, improved = (of_unchanged == word for word in (Answer.REGRESSED, Answer.IMPROVED))
    has_interval = np.isfinite(decided.low)
    contains = (decided.low <= np.expm1(changes)) & (np.expm1(changes) <= decided.high)
    return Score(
        alarms=_share(regressed.any(axis=1)),
        false_changes=_share((regressed | improved).any(axis=1)),
        found=_share((status == right)[:, changed]),
        passed=_share(of_changed == Answer.UNCHANGED),
        undecided=_share(of_changed == Answer.INCONCLUSIVE),
        seen=_share(((decided.low > 0) | (decided.high < 0))[:, changed]),
        cleared=_share(of_unchanged == Answer.UNCHANGED),
        open=_share(of_unchanged == Answer.INCONCLUSIVE),
        covered=_share(contains[has_interval]),
        launches=Share(count=int(decided.launches.sum()), total=decided.launches.size),
        paired=_share(np.ones(status.shape, dtype=bool) if decided.paired is None else decided.paired),
    )


def _score_block(block: tuple[Job, int, int, int]) -> Score:
    job, number, runs, seed = block
    rng = np.random.default_rng([seed, number, *job.world.name.encode()])
    return of_decided(job.rule.decide(job.world, rng, runs), job.world)


def _gathered(jobs: Sequence[Job], found: Iterator[Score], progress: Progress) -> list[Score]:
    scores = []
    for job in jobs:
        scores.append(sum((next(found) for _ in job.blocks()), Score()))
        progress(f"{job.world.name}: {job.rule.name}")
    return scores


def _share(hits: Flags) -> Share:
    return Share(count=int(hits.sum()), total=hits.size)
