"""Rounded values: launches on the marks of a scale that is coarse next to their spread.

Values rounded to 0.1 % hide changes of that size: at the noise of SSD a change of 1 % is then found in 83 instead of
99 % of cases, and a history rounded to 0.5 % shows no change point. That is noticed, and said with the remedy.

A set of values is quantised if they are multiples of a common step, seen from the lowest of them, and the step is at
least half of their standard deviation (within each arm). Values on a continuous scale have no such step: of n values
one gap sets the step, and each of the other n - 2 gaps is a multiple of it by chance with a probability of about 2 *
`_TOLERANCE` for each step that is tried. So at least five values are asked for. Equal values count: two launches are
never equal to the last bit. A timer that rounds times rounds throughput as a reciprocal, so both are tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

LEAST_VALUES = 5
_SHARE_OF_SPREAD = 0.5
_TOLERANCE = 1e-3
_MAD_TO_SD = 1.4826
_ROUNDING = 1e-9
"""Values closer than this, relative to their size, are equal: they differ by the arithmetic of floats."""
_MOST_PARTS = 4
"""The smallest gap is at most this many steps: with more, the step is small next to the spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """`step` of the values and their `spread` (SD within an arm), both relative to the values."""

    step: float
    spread: float


def find_step(*arms: Sequence[float]) -> Quantised | None:
    """The step on which the values of all these arms lie, or those of one of them; None if there is no coarse one."""
    sound = [[value for value in arm if 0 < value < math.inf] for arm in arms]
    for chosen in (sound, *([arm] for arm in sound if len(sound) > 1)):
        found = _step_of(chosen) or _step_of([[1 / value for value in arm] for arm in chosen])
        if found is not None:
            return found
    return None


def quantised_note(*arms: Sequence[float], finds: str = "changes") -> str:
    """A sentence on values that are quantised, with the remedy; empty if they are not.

    Args:
        arms: the values of each arm, or of each point.
        finds: what they may hide, in the plural.
    """
    found = find_step(*arms)
    if found is None:
        return ""
    return (
        f"the values lie on steps of {_percent(found.step)}, coarse next to the {_percent(found.spread)} by which they "
        f"spread: rounded values hide {finds}; give them with all their digits, or use a finer timer"
    )


def _step_of(arms: Sequence[Sequence[float]]) -> Quantised | None:
    values = sorted(value for arm in arms for value in arm)
    if len(values) < LEAST_VALUES or 1 / values[0] == math.inf:
        return None
    size = fmean(values)
    gaps = [high - low for low, high in pairwise(values) if high - low > _ROUNDING * size]
    if not gaps:
        return None  # all equal: there is no step to be seen
    spread = _within(arms)
    smallest = min(gaps)
    for parts in range(1, _MOST_PARTS + 1):
        step = smallest / parts
        if step < _SHARE_OF_SPREAD * spread:
            return None
        if all(_is_multiple(value - values[0], step) for value in values):
            return Quantised(step=step / size, spread=spread / size if spread > _ROUNDING * size else 0.0)
    return None


def _is_multiple(distance: float, step: float) -> bool:
    steps = distance / step
    return abs(steps - round(steps)) <= _TOLERANCE


def _within(arms: Sequence[Sequence[float]]) -> float:
    """The standard deviation of values around the mean of their arm; of single values, from one to the next."""
    squares, freedom = 0.0, 0
    for arm in arms:
        if arm:
            mean = fmean(arm)
            squares += math.fsum((value - mean) ** 2 for value in arm)
            freedom += len(arm) - 1
    if freedom:
        return math.sqrt(squares / freedom)
    values = [value for arm in arms for value in arm]
    # The median, so that a change of level does not count as spread.
    return _MAD_TO_SD * median(abs(later - earlier) for earlier, later in pairwise(values)) / math.sqrt(2)


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
