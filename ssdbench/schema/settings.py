"""Levels and caps of the verdict rule: part of what is asked, kept with the run and with every verdict."""

from __future__ import annotations

import math
from typing import Literal, get_args

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError

Rule = Literal["sequential", "fixed"]

_RANGES = (
    ("alpha", 1e-9, 0.5),
    ("plan_power", 0.5, 1.0),
    ("power", 0.5, 1.0),
    ("pilot_pairs", 2, 1000),
    ("replans", 0, 1000),
    ("trim", 0.0, 0.5),
    ("noise_floor", 1e-9, 1.0),
    ("drift_cap", 0.0, 1.0),
    ("minimum_sessions", 2, 1000),
    ("minimum_launches", 2, 1000),
    ("maximum_age_days", 0, 100_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Levels and caps of the decision, recorded with every verdict.

    margin: relative change that matters (0.01 is 1 %); smaller ones are "unchanged".
    alpha: chance of a false verdict of change over all cases of a run; also the level at which a case is flagged.
    plan_power, power: chance of finding a change of the margin that a plan aims at, and the one used for the smallest
        detectable change.
    rule: how an interleaved run is planned and judged: `sequential`, or `fixed`, the only rule up to version 0.2.
    pilot_pairs, replans: pairs of the pilot, and how often a plan by the spread may be revised.
    pair_cap, confirm_pair_cap: most pairs of a case in the stage `measure`, and in `confirm` (more where its level
        needs them).
    trim: share of launches that the estimate leaves out at each end (none below 5 launches).
    noise_floor: least relative SD that a launch is taken to have, against timers that are quantised or mocked.
    drift_cap: relative change between sessions that no drift of one build is taken to exceed.
    minimum_sessions: stored sessions from which their spread is estimated; with fewer nothing is "unchanged".
    minimum_launches: launches that each side needs for any verdict.
    maximum_age_days: age from which a baseline is stale.

    Raises:
        UsageError: a value outside of its range.
    """

    rule: Rule = "sequential"
    margin: float = 0.01
    alpha: float = 0.01
    plan_power: float = 0.99
    power: float = 0.95
    pilot_pairs: int = 3
    replans: int = 3
    pair_cap: int = 15
    confirm_pair_cap: int = 18
    trim: float = 0.2
    noise_floor: float = 2e-4
    drift_cap: float = 0.05
    minimum_sessions: int = 5
    minimum_launches: int = 2
    maximum_age_days: int = 90

    @property
    def first_pairs(self) -> int:
        """Pairs with which every case begins."""
        return max(self.pilot_pairs, self.minimum_launches)

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of pairs at which the sequential rule looks at a case in `measure`: 3, 4, 5, 7, 9, 12, 15."""
        looks = [min(self.first_pairs, self.pair_cap)]
        while looks[-1] < self.pair_cap:
            looks.append(min(self.pair_cap, max(looks[-1] + 1, round(looks[-1] * 4 / 3))))
        return tuple(looks)

    @property
    def log_margin(self) -> float:
        """ln(1 + margin)."""
        return math.log1p(self.margin)

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise UsageError(f"verdict setting rule = {self.rule!r} is neither sequential nor fixed")
        if not 0 < self.margin < 1:
            raise UsageError(f"--margin {self.margin:g} is no relative change between 0 and 1; write 0.05 for 5 %")
        for name, least, below in _RANGES:
            value = getattr(self, name)
            if not least <= value < below:
                raise UsageError(f"verdict setting {name} = {value:g} is not from {least:g} to below {below:g}")
        if min(self.pair_cap, self.confirm_pair_cap) < self.pilot_pairs:
            raise UsageError(f"verdict settings: a cap is below the {self.pilot_pairs} pairs of the pilot")


DEFAULT_SETTINGS = Settings()
