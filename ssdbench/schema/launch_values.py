"""Input of the verdict rule: the values of a run's launches by case, stage and arm; and the pairs it asks for next."""

from __future__ import annotations

from enum import Enum
from typing import Mapping

from ssdbench.compatibility import dataclass
from ssdbench.schema.metrics import Metric


class Stage(str, Enum):
    """Every case is measured; those flagged then are measured again, on new pairs, to confirm a change."""

    MEASURE = "measure"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """One value of the gated metric per launch, in the order of measurement: pair i is the i-th of both arms.

    A pair is one launch of the baseline's build, run again now, and one of the candidate's. Which of the two is first
    alternates from pair to pair: `candidate_is_first` has it for each pair, or is empty where it is not known.
    """

    baseline: tuple[float, ...] = ()
    candidate: tuple[float, ...] = ()
    candidate_is_first: tuple[bool, ...] = ()

    @property
    def pairs(self) -> int:
        """Whole pairs."""
        return min(len(self.baseline), len(self.candidate))

    def first(self, pairs: int) -> Arms:
        """The first `pairs` pairs, or all where there are fewer."""
        whole = min(pairs, self.pairs)
        return Arms(
            baseline=self.baseline[:whole],
            candidate=self.candidate[:whole],
            candidate_is_first=self.candidate_is_first[:whole],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLaunches:
    """The interleaved launches of one case so far.

    `abandoned` is a sentence where no more pairs can be had (a case that fails, an environment that stays invalid).
    """

    metric: Metric
    measure: Arms = Arms()
    confirm: Arms = Arms()
    abandoned: str | None = None

    def of(self, stage: Stage) -> Arms:
        """The launches of a stage."""
        return self.measure if stage is Stage.MEASURE else self.confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSessions:
    """The launches of one case that were not interleaved: a tuple of values per session, oldest session first."""

    metric: Metric
    baseline: tuple[tuple[float, ...], ...] = ()
    candidate: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Pairs that a case still needs in its stage."""

    stage: Stage
    pairs: int


LaunchesByCase = Mapping[str, CaseLaunches]
"""Case key -> its launches."""
