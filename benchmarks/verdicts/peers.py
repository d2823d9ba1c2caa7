"""Rules of other tools, as their sources have them.

A peer has no word for "I do not know": what it does not flag passes. Times are compared, so slower is larger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.verdicts.decided import Answer, Decided
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.rules import Rule
from benchmarks.verdicts.world import Flags, Supply, World


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedThreshold:
    """One launch of a statistic against one stored value: slower by more than `slower`, faster by more than `faster`.

    NVIDIA's SSD tests of 2019 (throughput > .90 and .84 of the stored one), TorchBench (7 % of the median of 15
    iterations, both ways), pytest-benchmark --benchmark-compare-fail=mean:5%.
    """

    name: str
    slower: float
    faster: float | None = None
    statistic: str = "mean"
    steps: int = 60

    def decide(self, world: World, rng: np.random.Generator, runs: int) -> Decided:
        supply, over = Supply(world, rng, runs), getattr(np, self.statistic)
        there, here = (over(side(1, self.steps), axis=(2, 3)) for side in (supply.stored, supply.candidate))
        ratio = here / there
        faster = ratio < 1 - self.faster if self.faster else np.zeros_like(ratio, dtype=bool)
        return _called(ratio > 1 + self.slower, faster, launches=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asv:
    """asv continuous: medians differ by a factor, and Mann-Whitney on the pooled values of two rounds, p < .002."""

    factor: float = 1.1
    name: str = "asv (factor 1.1 and U test)"

    def decide(self, world: World, rng: np.random.Generator, runs: int) -> Decided:
        supply = Supply(world, rng, runs)
        there, here = (side(2, 60).reshape(*supply.shape, -1) for side in (supply.baseline, supply.candidate))
        ratio = np.median(here, axis=-1) / np.median(there, axis=-1)
        differs = stats.mannwhitneyu(here, there, axis=-1, method="asymptotic").pvalue < 0.002
        return _called(differs & (ratio > self.factor), differs & (ratio < 1 / self.factor), launches=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOnValues:
    """Student's or Welch's t on single values as if they were independent.

    pyperf compare_to takes 20 processes of 3 values; the plain test one launch of 60 iterations.
    """

    name: str
    launches: int
    steps: int
    alpha: float
    equal_variances: bool

    def decide(self, world: World, rng: np.random.Generator, runs: int) -> Decided:
        supply = Supply(world, rng, runs)
        sides = (side(self.launches, self.steps) for side in (supply.stored, supply.candidate))
        there, here = (side.reshape(*supply.shape, -1) for side in sides)
        test = stats.ttest_ind(here, there, axis=-1, equal_var=self.equal_variances)
        differs = test.pvalue < self.alpha
        return _called(differs & (test.statistic > 0), differs & (test.statistic < 0), self.launches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conbench:
    """The new mean against mean and SD of the last runs: |z| > 5."""

    runs: int = 10
    name: str = "conbench (z > 5, 10 runs)"

    def decide(self, world: World, rng: np.random.Generator, runs: int) -> Decided:
        supply = Supply(world, rng, runs)
        history = np.exp(np.concatenate([supply.stored(1) for _ in range(self.runs)], axis=-1))
        new = np.exp(supply.candidate(1))[..., 0]
        z = (new - history.mean(axis=-1)) / history.std(axis=-1, ddof=1)
        return _called(z > 5, z < -5, launches=1)


PEERS: Sequence[Rule] = (
    FixedThreshold(name="NVIDIA SSD training test (10 %)", slower=1 / 0.90 - 1),
    FixedThreshold(name="NVIDIA SSD inference test (16 %)", slower=1 / 0.84 - 1),
    FixedThreshold(name="TorchBench (7 %)", slower=0.07, faster=0.07, statistic="median", steps=15),
    FixedThreshold(name="pytest-benchmark (mean:5%)", slower=0.05),
    Asv(),
    StudentOnValues(name="pyperf (t test, 20 x 3 values)", launches=20, steps=3, alpha=0.05, equal_variances=True),
    Conbench(),
    StudentOnValues(name="Welch's t on iterations (p < .01)", launches=1, steps=60, alpha=0.01, equal_variances=False),
)


def _called(slower: Flags, faster: Flags, launches: int) -> Decided:
    status = np.where(slower, Answer.REGRESSED, np.where(faster, Answer.IMPROVED, Answer.UNCHANGED)).astype(np.int8)
    none: Floats = np.full(status.shape, np.nan)
    return Decided(status=status, low=none, high=none, launches=np.full(status.shape, launches))
