"""What the self-test planted, what it demanded, and what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import Status

Way = Literal["processes", "altered records"]
"""How a fault was planted: launches of a copy of the source that has it, or copies of measured launches with it."""
OUT_OF_TIME = "the budget is used up"
Validity = Literal["valid", "invalid", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came: the worst verdict, its exit code, what became of the planted launches, and all that was said."""

    status: Status
    exit_code: int
    validity: Validity
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What has to come: one of each, and every one of the words in what is said."""

    statuses: tuple[Status, ...]
    exit_codes: tuple[int, ...]
    validity: Validity = "valid"
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantResult:
    """One plant: `problems` are sentences on what came and was not demanded, `not_planted` says why it was left out.

    `undecided`: it was left out for want of time, or because launches differ too much here, so it has to be repeated.
    """

    name: str
    subject: str
    fault: str
    way: Way
    demand: Demand
    found: Found | None = None
    problems: tuple[str, ...] = ()
    not_planted: str = ""
    undecided: bool = False

    @property
    def has_passed(self) -> bool:
        """Whether it was planted, and nothing was wrong."""
        return not self.problems and not self.not_planted


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallestChange:
    """The smallest relative change of a case that this machine tells from no change in 95 of 100 cases.

    `measured` with the `pairs` of the self-test, `in_budget` with the `pairs_in_budget` that its budget has room for.
    """

    case_key: str
    title: str
    metric: str
    pairs: int
    measured: float
    pairs_in_budget: int
    in_budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """A self-test: all plants in their order, and the smallest changes of the cases without a plant.

    `margin` is the relative change that was asked for, and `margins` has by workload the one that the plants were for:
    larger where launches differ too much.
    """

    schema_version: int
    quick: bool
    margin: float
    hardware_key: str
    exit_code: int
    seconds: float
    plants: tuple[PlantResult, ...]
    smallest_changes: tuple[SmallestChange, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
