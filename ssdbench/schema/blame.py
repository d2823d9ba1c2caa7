"""The search for the component of an image that made it slower or faster: the question, and every decision."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.bisection import Direction

Finding = Literal["slower", "faster", "same", "unknown", "failed", "runs"]
"""`slower`, `faster`, `same` or `unknown`: the new image against the old one. Of the new image with components of the
old one: `runs` or `failed` in a trial; in pairs with the new image `faster` (`slower`, where an improvement is
searched), `same`, or `unknown` without a verdict."""

StepKind = Literal["images", "components", "trial", "probe", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """First line of a log: the question; `old` and `new` are images by the names that engines give to their content.

    `find` is what the new image brought.
    """

    schema_version: int
    created_at: str
    suite: str
    case_key: str
    old: str
    new: str
    find: Direction = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameStep:
    """A further line of a log; `because` says in words why a step begins or what it found.

    images: the new image is measured in pairs with the old one.
    components: `components` can be swapped, in the order in which they are tried; `left_out` cannot, with reasons.
    trial: one short launch of the new image with the components `swapped` for those of the old one.
    probe: that image in pairs with the new one; `change` is how much faster it is, `low` and `high` bound it.
    end: `components` are named, each group in `groups` restores the speed by itself; none where nothing was found.

    A step that begins has no `finding`. `run_id` is the run of pairs; `attempt` counts its runs from 1. Launches of the
    step did not load those `not_loaded` as they were swapped, for these reasons: nothing is concluded of them, and the
    search goes on without them.
    """

    schema_version: int
    decided_at: str
    because: str
    kind: StepKind
    swapped: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    not_loaded: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    attempt: int = 1
    finding: Finding | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
