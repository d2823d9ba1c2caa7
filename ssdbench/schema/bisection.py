"""The search for the point that brought a change: what is asked, and every decision on the way."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass

Finding = Literal["good", "bad", "unknown"]
"""Result of comparing a point with the first one: bad has the change that is searched for, and good has not; unknown
where the launches support no verdict, or there is nothing to launch."""

PointKind = Literal["image", "commit", "requirements"]
Direction = Literal["regression", "improvement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """First line of a log: the question.

    `images` are the points, whatever their `kind`, from the good one to the bad one, oldest first: names of images,
    full hashes of commits, or files of requirements, each with a digest of its content. `find` is the change searched
    for.
    """

    schema_version: int
    created_at: str
    suite: str
    case_key: str
    images: tuple[str, ...]
    kind: PointKind = "image"
    find: Direction = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A further line of a log: a point is probed, was judged, or the search has ended; `because` says why, in words.

    `image` is the point, whatever its kind. A probe that begins has a `run_id` and no `finding`. `attempt` counts the
    runs of one point from 1. The end has neither point nor run; its `finding` is bad where the first point with the
    change was found, good where there is no such change.
    """

    schema_version: int
    decided_at: str
    because: str
    image: str | None = None
    run_id: str | None = None
    attempt: int = 1
    finding: Finding | None = None
