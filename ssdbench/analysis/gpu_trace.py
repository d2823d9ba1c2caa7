"""What the samples of a GPU say of the timed region: energy, and the steps during which it was throttled.

Samples are about half a second apart, and the host's clock and the device's are joined at the beginning of the region:
a stretch of throttling is exact to half a second at either end.
"""

import math
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from ssdbench.schema.gpu import GpuSamples, throttle_words
from ssdbench.schema.record import Measurement

FEWEST_SAMPLES = 10
"""In the region, for its energy: with fewer, its two ends would decide."""

Point = tuple[float, float]
Stretch = tuple[int, int]


def region_joules(gpu: GpuSamples, wall_seconds: float) -> float | None:
    """Energy of one GPU over the timed region, by its counter, else by the integral of its power.

    The counter is read between two samples as if power had been even. None where neither is known throughout.
    """
    counter = _curve(gpu.seconds, gpu.energy_joules, wall_seconds)
    if counter is not None:
        return _at(counter, wall_seconds) - _at(counter, 0.0)
    power = _curve(gpu.seconds, gpu.power_watts, wall_seconds)
    if power is None:
        return None
    inside = [point for point in power if 0.0 < point[0] < wall_seconds]
    ends = [(moment, _at(power, moment)) for moment in (0.0, wall_seconds)]
    corners = [ends[0], *inside, ends[1]]
    return math.fsum((later - earlier) * (a + b) / 2 for (earlier, a), (later, b) in pairwise(corners))


def throttling(measurement: Measurement) -> tuple[tuple[Stretch, ...], str]:
    """The steps (first, last) during which any GPU was throttled, and for what reasons in words."""
    ends = step_ends(measurement)
    throttled: set[int] = set()
    seen = 0
    for gpu in measurement.gpus:
        for (begin, end), mask in zip(_spans(gpu.seconds), gpu.throttle_reasons, strict=True):
            if mask is not None and throttle_words(mask):
                seen |= mask
                throttled.update(range(bisect(ends, begin), min(bisect(ends, end) + 1, len(ends))))
    return tuple(_stretches(sorted(throttled))), throttle_words(seen)


def step_ends(measurement: Measurement) -> list[float]:
    """When each step ended, in seconds from the beginning of the timed region; the warm-up ended there."""
    ends = list(accumulate(measurement.step_seconds))
    warmup = measurement.warmup_steps
    origin = ends[warmup - 1] if 0 < warmup <= len(ends) else 0.0
    return [end - origin for end in ends]


def _curve(seconds: Sequence[float], values: Sequence[float | None], wall_seconds: float) -> list[Point] | None:
    """The points of a value that was answered at every sample, if they suffice for the region and surround it."""
    inside = sum(0.0 <= moment <= wall_seconds for moment in seconds)
    if inside < FEWEST_SAMPLES or seconds[0] > 0.0 or seconds[-1] < wall_seconds:
        return None
    points = [(moment, value) for moment, value in zip(seconds, values, strict=True) if value is not None]
    return points if len(points) == len(seconds) else None


def _at(curve: Sequence[Point], moment: float) -> float:
    after = min(max(bisect(curve, (moment, math.inf)), 1), len(curve) - 1)
    (x, low), (end, high) = curve[after - 1], curve[after]
    return low + (high - low) * (moment - x) / (end - x) if end > x else low


def _spans(seconds: Sequence[float]) -> list[Point]:
    """The time that each sample represents: half-way to its neighbours."""
    halfway = [(a + b) / 2 for a, b in pairwise(seconds)]
    return list(zip([*seconds[:1], *halfway], [*halfway, *seconds[-1:]], strict=True))


def _stretches(steps: Iterable[int]) -> list[Stretch]:
    found: list[Stretch] = []
    for step in steps:
        if found and step == found[-1][1] + 1:
            found[-1] = (found[-1][0], step)
        else:
            found.append((step, step))
    return found
