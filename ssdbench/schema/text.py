"""Counts, lists and changes as words, in the same way in every sentence, table and chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDE_INTERVAL = 2.0
"""An interval of a relative change wider than this (200 points of per cent) says nothing about its upper end."""
LARGEST_OPEN_CHANGE, LARGEST_CHANGE = 1.0, 10.0
"""The largest relative changes worth a number: at the end of a wide interval, and anywhere."""


def pluralize(count: int, noun: str, plural: str = "") -> str:
    """`1 case`, `2 cases`; `plural` where it is not the noun and an s."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def shorten_list(names: Sequence[str], limit: int) -> str:
    """The first `limit` names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def percent(change: float, decimals: int = 1, *, sign: str = "", largest: float = LARGEST_CHANGE) -> str:
    """A relative change in per cent: `1.2%`, with `sign="+"` `+1.2%`; a change above `largest` is `>1000%`.

    Zero has no sign.
    """
    if change > largest:
        return f">{100 * largest:{sign}.0f}%"
    text = f"{100 * change:{sign}.{decimals}f}"
    return (text.lstrip("+-") if float(text) == 0 else text) + "%"


def interval(low: float, high: float, decimals: int = 1) -> tuple[str, str]:
    """Both ends of an interval of a relative change, with signs: `-0.5%`, `+1.2%`.

    A wide interval that begins below +100 % ends at `>+100%`: how far beyond it reaches is chance.
    """
    is_open = low < LARGEST_OPEN_CHANGE and high - low > WIDE_INTERVAL
    largest = LARGEST_OPEN_CHANGE if is_open else LARGEST_CHANGE
    return percent(low, decimals, sign="+"), percent(high, decimals, sign="+", largest=largest)


def milliseconds(seconds: float, *, sign: str = "+") -> str:
    """A time with two significant digits or more: `+12.3 ms`; without its sign where `sign` is empty."""
    value = 1e3 * seconds
    if not math.isfinite(value):
        return "unknown"
    decimals = max(int(abs(value) < 100), 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:{sign}.{decimals}f} ms"
