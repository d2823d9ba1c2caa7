"""Our rules, as `score` takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import stdtr

from benchmarks.verdicts import fixed, sequential
from benchmarks.verdicts.decided import METRIC, Answer, Decide, Decided, of_verdicts
from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.stages import Stage, holm, is_within
from benchmarks.verdicts.world import Supply, World
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.settings import Settings

DEFAULT = Settings()
INTERLEAVED: Mapping[str, Decide] = {"sequential": sequential.decide, "fixed": fixed.decide}


class Rule(Protocol):
    """Judges a block of runs of a world by the launches that it asks for."""

    @property
    def name(self) -> str: ...

    def decide(self, world: World, rng: np.random.Generator, runs: int, /) -> Decided: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaved:
    """All that its plans could ask for is drawn at once; it uses, and is charged for, what they do ask for.

    It is the rule that `settings` name, unless one is given as `by`.
    """

    settings: Settings = DEFAULT
    by: Decide | None = None
    name: str = "ssdbench, interleaved"

    def decide(self, world: World, rng: np.random.Generator, runs: int, /) -> Decided:
        drawn = world.draw(rng, runs, self.settings.pair_cap, self.settings.confirm_pair_cap)
        return (self.by or INTERLEAVED[self.settings.rule])(drawn, self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleShot:
    """`single_shot` on arrays: without fresh pairs, Holm over all cases.

    `candidates`: launches of the candidate, if they are fewer than those of the baseline, which are `pairs`.
    """

    pairs: int = 8
    candidates: int | None = None
    settings: Settings = DEFAULT

    @property
    def name(self) -> str:
        return f"ssdbench, single shot, {self.pairs} pairs" if self.candidates is None else f"{self.arms}, single shot"

    @property
    def arms(self) -> str:
        """The launches of both sides."""
        return f"{self.pairs} against {self.candidates or self.pairs}"

    def decide(self, world: World, rng: np.random.Generator, runs: int, /) -> Decided:
        drawn = world.draw(rng, runs, self.pairs, 0)
        shape = drawn.shape
        candidates = self.candidates or self.pairs
        seen = fixed.contrasts(Stage.of(drawn.baseline, drawn.candidate[..., :candidates]), self.settings)
        size, reach, margin = np.abs(seen.estimate), seen.reach(self.settings), np.log1p(self.settings.margin)
        p = np.minimum(1.0, 2 * stdtr(seen.freedom, -size / seen.error))
        rejected = holm(p, np.repeat(np.arange(runs), shape[1]), self.settings.alpha)
        changed = np.where(seen.estimate > 0, Answer.REGRESSED, Answer.IMPROVED)
        otherwise = np.where(is_within(seen, self.settings), Answer.UNCHANGED, Answer.INCONCLUSIVE)
        status = np.where(rejected & (size + reach >= margin), changed, otherwise)
        return Decided(
            status=status.astype(np.int8).reshape(shape),
            low=np.expm1(seen.estimate - reach).reshape(shape),
            high=np.expm1(seen.estimate + reach).reshape(shape),
            launches=np.full(shape, self.pairs + candidates),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """`judge_stored` itself, run by run; only the launches of the new session count."""

    sessions: int = 10
    launches: int = 3
    settings: Settings = DEFAULT

    @property
    def name(self) -> str:
        return f"ssdbench, {self.sessions} stored sessions"

    def decide(self, world: World, rng: np.random.Generator, runs: int, /) -> Decided:
        supply = Supply(world, rng, runs)
        stored = np.exp([supply.stored(self.launches) for _ in range(self.sessions)])
        new = np.exp(supply.candidate(self.launches))
        verdicts = [
            list(judge_stored(_sessions(stored[:, run], new[run]), self.settings).values()) for run in range(runs)
        ]
        found = of_verdicts(verdicts)
        return Decided(
            status=found.status, low=found.low, high=found.high, launches=np.full(supply.shape, self.launches)
        )


def _sessions(stored: Floats, new: Floats) -> dict[str, CaseSessions]:
    return {
        str(case): CaseSessions(
            metric=METRIC,
            baseline=tuple(tuple(session[case].tolist()) for session in stored),
            candidate=(tuple(launches.tolist()),),
        )
        for case, launches in enumerate(new)
    }
