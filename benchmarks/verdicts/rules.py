"""Rules that judge a run: ours, and those of other tools as their sources have them.

A peer has no word for "I do not know": what it does not flag passes. Times are compared, so slower is larger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.world import Supply
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.schema.launch_values import Arms, CaseLaunches, CaseSessions
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import METRICS, Verdict

Answers = NDArray[np.str_]
METRIC = METRICS["latency_p50"]
DEFAULT = Settings()


class Rule(Protocol):
    """Takes launches from the supply until it can answer; the supply counts them."""

    @property
    def name(self) -> str: ...

    def answer(self, supply: Supply) -> Answers:
        """regressed, improved, unchanged or inconclusive, for each case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaved:
    """Ours. All that its plans could ask for is drawn at once; it uses, and is charged for, what they do ask for."""

    settings: Settings = DEFAULT
    name: str = "ssdbench, interleaved"

    def answer(self, supply: Supply) -> Answers:
        return _answers(supply, self.verdicts(supply))

    def verdicts(self, supply: Supply) -> list[Verdict]:
        """The whole verdicts, in the order of the cases."""
        measured = supply.pairs(self.settings.pair_cap)
        fresh = supply.pairs(self.settings.confirm_pair_cap)
        run = {
            str(case): CaseLaunches(metric=METRIC, measure=_arms(measured, case), confirm=_arms(fresh, case))
            for case in range(supply.cases)
        }
        return list(judge(run, self.settings).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleShot:
    """Ours without fresh pairs: Holm over all cases."""

    pairs: int = 8
    settings: Settings = DEFAULT

    @property
    def name(self) -> str:
        return f"ssdbench, single shot, {self.pairs} pairs"

    def answer(self, supply: Supply) -> Answers:
        both = supply.pairs(self.pairs)
        run = {str(case): CaseLaunches(metric=METRIC, measure=_arms(both, case)) for case in range(supply.cases)}
        return _answers(supply, list(judge_single_shot(run, self.settings).values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Ours against stored sessions; only the launches of the new session count."""

    sessions: int = 10
    launches: int = 3
    settings: Settings = DEFAULT

    @property
    def name(self) -> str:
        return f"ssdbench, {self.sessions} stored sessions"

    def answer(self, supply: Supply) -> Answers:
        sessions = np.exp([supply.stored(self.launches) for _ in range(self.sessions)])
        new = np.exp(supply.candidate(self.launches))
        supply.launches += self.launches
        cases = {
            str(case): CaseSessions(
                metric=METRIC,
                baseline=tuple(tuple(session[case].tolist()) for session in sessions),
                candidate=(tuple(new[case].tolist()),),
            )
            for case in range(supply.cases)
        }
        verdicts = list(judge_stored(cases, self.settings).values())
        return np.array([verdict.status.value for verdict in verdicts])


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

    def answer(self, supply: Supply) -> Answers:
        over = getattr(np, self.statistic)
        ratio = over(supply.candidate(1, self.steps), axis=(1, 2)) / over(supply.stored(1, self.steps), axis=(1, 2))
        supply.launches += 1
        return _called(ratio > 1 + self.slower, ratio < 1 - self.faster if self.faster else np.zeros_like(ratio, bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asv:
    """asv continuous: medians differ by a factor, and Mann-Whitney on the pooled values of two rounds, p < .002."""

    factor: float = 1.1
    name: str = "asv (factor 1.1 and U test)"

    def answer(self, supply: Supply) -> Answers:
        both = [side.reshape(supply.cases, -1) for side in supply.pairs(2, 60)]
        supply.launches += 4
        ratio = np.median(both[1], axis=1) / np.median(both[0], axis=1)
        differs = stats.mannwhitneyu(both[1], both[0], axis=1, method="asymptotic").pvalue < 0.002
        return _called(differs & (ratio > self.factor), differs & (ratio < 1 / self.factor))


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

    def answer(self, supply: Supply) -> Answers:
        sides = supply.stored(self.launches, self.steps), supply.candidate(self.launches, self.steps)
        both = [side.reshape(supply.cases, -1) for side in sides]
        supply.launches += self.launches
        test = stats.ttest_ind(both[1], both[0], axis=1, equal_var=self.equal_variances)
        differs = test.pvalue < self.alpha
        return _called(differs & (test.statistic > 0), differs & (test.statistic < 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conbench:
    """The new mean against mean and SD of the last runs: |z| > 5."""

    runs: int = 10
    name: str = "conbench (z > 5, 10 nights)"  # the name is part of the seed

    def answer(self, supply: Supply) -> Answers:
        history = np.exp(np.concatenate([supply.stored(1) for _ in range(self.runs)], axis=1))
        new = np.exp(supply.candidate(1))[:, 0]
        supply.launches += 1
        z = (new - history.mean(axis=1)) / history.std(axis=1, ddof=1)
        return _called(z > 5, z < -5)


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


def _arms(pairs: tuple[Floats, Floats], case: int) -> Arms:
    baseline, candidate = (tuple(np.exp(side[case]).tolist()) for side in pairs)
    return Arms(baseline=baseline, candidate=candidate)


def _answers(supply: Supply, verdicts: Sequence[Verdict]) -> Answers:
    supply.launches += [verdict.baseline_launches + verdict.candidate_launches for verdict in verdicts]
    return np.array([verdict.status.value for verdict in verdicts])


def _called(slower: NDArray[np.bool_], faster: NDArray[np.bool_]) -> Answers:
    return np.where(slower, "regressed", np.where(faster, "improved", "unchanged"))
