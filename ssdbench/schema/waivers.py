"""Waivers: known regressions that are tolerated up to a ceiling and a day."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass

WaiverState = Literal["used", "ceiling_passed", "expired", "not_needed", "idle", "unused"]
"""What became of a waiver in a comparison.

used            a regressed case is waived
ceiling_passed  a case is regressed beyond the ceiling
expired         its last day is over
not_needed      the case is no longer regressed
idle            nothing to do: the case is inconclusive, failed, or was not compared
unused          it matches no case
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """An entry of a file of waivers; `entry` counts them from 1.

    `case` is the key or the title of a case, or whole words of them. `metric` and `hardware` (words of a hardware key)
    are None where the waiver holds for all. `ceiling` is how much worse than the baseline a case may be: 0.2 is 20 %.
    `expires` is the last day that counts, in ISO 8601, in UTC.
    """

    entry: int
    case: str
    ceiling: float
    expires: str
    issue: str
    reason: str
    metric: str | None = None
    hardware: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverUse:
    """A waiver, what became of it in a comparison, and the keys of the cases that it matches.

    Each of `notes` is a sentence about something to put right in the file: the waiver is unused, expired, no longer
    needed, or matches a case that another one matches too.
    """

    waiver: Waiver
    state: WaiverState
    cases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWaiver:
    """A waiver with what became of it in the newest runs, None where none is of its hardware.

    `days_left` counts the days until its last one: 0 on that day, negative once it expired. `cases` are the keys of the
    cases that it matches in these runs.
    """

    waiver: Waiver
    state: WaiverState | None
    days_left: int
    cases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
