"""The search for the release that brought a regression: what is asked, and every decision on the way."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass

Finding = Literal["good", "bad", "unknown"]
"""Result of comparing an image with the good one; unknown if the launches support no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """First line of a log: the question. `images` run from the good one to the bad one, oldest first."""

    schema_version: int
    created_at: str
    suite: str
    case_key: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A further line of a log: an image is probed, was judged, or the search has ended; `because` says why, in words.

    A probe that begins has a `run_id` and no `finding`. `attempt` counts the runs of one image from 1. The end has
    neither image nor run; its `finding` is bad where the first bad image was found, good where there is no regression.
    """

    schema_version: int
    decided_at: str
    because: str
    image: str | None = None
    run_id: str | None = None
    attempt: int = 1
    finding: Finding | None = None
