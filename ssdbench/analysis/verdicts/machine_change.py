"""Whether the machine became slower (or faster) together with a case: by its own rates, measured before the launches.

A matrix multiply and a copy know nothing of the code under test. Where they changed like the case did, the sentence
says so; no verdict is changed by it. Their rates are compared where they were measured in different sessions, with the
same libraries below the model.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.record import Measurement
from ssdbench.schema.text import percent

LIKE_SHARE = 0.75
"""Share of a case's change, on a logarithmic scale, from which on the change of a rate is like it."""
SMALLEST_CHANGE = 0.03
"""A smaller change of a rate may be that of its own measurement."""
_RATES: Mapping[str, str] = {"matrix multiply": "matmul_flop_per_second", "copy": "copy_bytes_per_second"}
_BELOW_THE_MODEL = ("torch", "cuda", "cublas", "cudnn")


def machine_words(
    baseline: Sequence[Measurement], candidate: Sequence[Measurement], metric: Metric, change: float | None
) -> str:
    """A sentence where a rate of the machine changed like the case, whose metric changed by `change`; else empty."""
    if change is None or not change > -1:
        return ""
    there, here = _sessions(baseline), _sessions(candidate)
    if not there or not here or there.keys() & here.keys():
        return ""
    speed = math.log1p(change) * (1 if metric.direction is Direction.HIGHER_IS_BETTER else -1)
    found = {name: value for name, key in _RATES.items() if (value := _like(there, here, key, speed)) is not None}
    if not found:
        return ""
    names = " and ".join(found)
    way, sizes = "fell" if speed < 0 else "rose", " and ".join(percent(abs(value)) for value in found.values())
    as_well = f"the machine's own {names}, measured before the first launch, {way} by {sizes} as well"
    if _software(baseline) == _software(candidate):
        return f"{as_well}: the machine changed, not the build"
    return f"{as_well}: the cause is the machine, or torch and its libraries, which changed too"


def _sessions(launches: Sequence[Measurement]) -> dict[str, SpeedLimits]:
    """The limits of each session, by the time at which they were measured."""
    return {launch.limits.measured_at: launch.limits for launch in launches if launch.limits is not None}


def _like(there: Mapping[str, SpeedLimits], here: Mapping[str, SpeedLimits], key: str, speed: float) -> float | None:
    """The change of a rate, if it is like that of the case: as large, and beyond the differences between sessions."""
    before, after = ([value for found in side.values() if (value := getattr(found, key))] for side in (there, here))
    if not before or not after:
        return None
    change = median(after) / median(before) - 1
    is_apart = max(after) < min(before) if speed < 0 else min(after) > max(before)
    is_as_large = abs(math.log1p(change)) >= LIKE_SHARE * abs(speed)
    return change if is_apart and is_as_large and abs(change) >= SMALLEST_CHANGE else None


def _software(launches: Sequence[Measurement]) -> set[tuple[str | None, ...]]:
    return {tuple(getattr(launch.software, name) for name in _BELOW_THE_MODEL) for launch in launches}
