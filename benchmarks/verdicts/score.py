"""A rule over many runs of a world: what it said of changed and unchanged cases, with exact binomial bounds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.verdicts.rules import Rule
from benchmarks.verdicts.world import CASES, Supply, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `total`, with its Clopper-Pearson interval at 95 %."""

    count: int
    total: int

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
    """`alarms` are runs with a false "regressed", `false_changes` with a false "regressed" or "improved"."""

    rule: str
    world: World
    runs: int
    alarms: Share
    false_changes: Share
    of_changed: Mapping[str, Share]
    of_unchanged: Mapping[str, Share]
    launches: float


def score(rule: Rule, world: World, runs: int, seed: int) -> Score:
    """The same seed gives the same runs, whatever was scored before."""
    rng = np.random.default_rng([seed, *world.name.encode(), *rule.name.encode()])
    answers = np.empty((runs, CASES), dtype="<U12")
    launches = 0.0
    for run in range(runs):
        supply = Supply(world, rng)
        answers[run] = rule.answer(supply)
        launches += float(supply.launches.mean()) / runs
    changed, unchanged = answers[:, : world.changed], answers[:, world.changed :]
    return Score(
        rule=rule.name,
        world=world,
        runs=runs,
        alarms=_share((unchanged == "regressed").any(axis=1)),
        false_changes=_share(np.isin(unchanged, ("regressed", "improved")).any(axis=1)),
        of_changed=_shares(changed),
        of_unchanged=_shares(unchanged),
        launches=launches,
    )


def _shares(answers: np.ndarray) -> dict[str, Share]:
    return {word: _share(answers == word) for word in ("regressed", "improved", "unchanged", "inconclusive")}


def _share(hits: np.ndarray | np.bool_) -> Share:
    return Share(count=int(hits.sum()), total=hits.size)
