"""Ratios of CPU time, interleaved in one process, so that what else the machine does meets both sides alike."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The other form's CPU time over ours: median of the rounds and its interval, of 95 % at least."""

    median: float
    low: float
    high: float


def interleaved(
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    least_seconds: float = 0.01,
) -> Ratio:
    """Rounds of ours, other, other, ours; each is called so often that ours takes `least_seconds` at least."""
    ours()
    other()
    calls = max(1, math.ceil(least_seconds / max(_timed(ours, 1, clock), 1e-6)))
    ratios = []
    for _ in range(rounds):
        first, *others, last = (_timed(form, calls, clock) for form in (ours, other, other, ours))
        ratios.append(sum(others) / (first + last))
    ratios.sort()
    # The k-th smallest and the k-th largest of n enclose the median but for twice the binomial tail below k.
    outside = max(k for k in range(1, rounds // 2 + 1) if 2 * _tail(rounds, k) <= 0.05) - 1
    return Ratio(median=statistics.median(ratios), low=ratios[outside], high=ratios[-1 - outside])


def _tail(rounds: int, below: int) -> float:
    """The probability that fewer than `below` of `rounds` ratios are under their median."""
    return float(sum(math.comb(rounds, k) for k in range(below)) / 2**rounds)


def _timed(form: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(calls):
        form()
    return clock() - began
