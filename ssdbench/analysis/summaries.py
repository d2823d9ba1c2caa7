"""Final AP over seeds as five figures, and which five figures no sample can have.

A summary that was copied wrongly is found by arithmetic alone. Of n values with the standard deviation sd (divided by
n - 1), mean and median are at most sd * sqrt((n - 1) / n) apart (Hotelling and Solomons 1932), and no value is further
from the mean than sd * (n - 1) / sqrt(n) (Samuelson 1968).
"""

import math
from collections.abc import Sequence
from statistics import fmean, median, stdev

from ssdbench.schema.table import Summary

_SLACK = 1e-6


def summarise(values: Sequence[float]) -> Summary:
    """The five figures of at least two values."""
    return Summary(
        seeds=len(values),
        mean=fmean(values),
        sd=stdev(values),
        minimum=min(values),
        maximum=max(values),
        median=median(values),
    )


def impossibility(summary: Summary) -> str | None:
    """Why no sample has these five figures, in words; None where one may have them."""
    s, n = summary, summary.seeds
    if not all(map(math.isfinite, (s.mean, s.sd, s.minimum, s.maximum, s.median))) or s.sd < 0 or n < 2:
        return "a figure is not finite, the deviation is negative, or there are fewer than two seeds"
    if not s.minimum <= s.median <= s.maximum or not s.minimum <= s.mean <= s.maximum:
        return "mean or median lies outside of minimum and maximum"
    slack = _SLACK * (s.sd + abs(s.mean) * _SLACK)
    most = s.sd * math.sqrt((n - 1) / n)
    if abs(s.mean - s.median) > most + slack:
        return f"mean and median are {_in_sd(s.mean - s.median, s)} apart, {n} seeds allow {_in_sd(most, s)}"
    furthest, most = max(s.mean - s.minimum, s.maximum - s.mean), s.sd * (n - 1) / math.sqrt(n)
    if furthest > most + slack:
        return f"an extreme is {_in_sd(furthest, s)} from the mean, {n} seeds allow {_in_sd(most, s)}"
    return None


def _in_sd(distance: float, summary: Summary) -> str:
    return f"{abs(distance) / summary.sd:.2f} standard deviations" if summary.sd else "more than no standard deviation"
