"""Which way a metric gets better, as far as its name says so: `images_per_second` up, `step_seconds` down."""

from __future__ import annotations

import re

from ssdbench.schema.metrics import METRICS, Direction

_UNITS_OF_TIME = {"s", "sec", "second", "seconds", "ms", "us", "ns", "min", "minute", "h", "hour"}
_TIMES = {
    *("sec", "secs", "second", "seconds", "ms", "msec", "millisecond", "milliseconds", "us", "usec", "microsecond"),
    *("microseconds", "ns", "nanoseconds", "minutes", "hours", "latency", "latencies", "duration", "time", "elapsed"),
    *("runtime", "walltime", "delay", "jitter"),
}
_LOWER = _TIMES | {"memory", "bytes", "energy", "joules", "loss"}
_RATES = {"throughput", "fps", "ips", "qps", "rps", "tps", "ops", "flops", "gflops", "tflops", "bandwidth", "goodput"}
_HIGHER = _RATES | {"speedup", "accuracy", "ap", "map"}


def direction_of(metric: str) -> Direction | None:
    """The direction of a metric of ours, or of one whose name says that it is a rate, a time or the like; else None."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric)
    name = re.sub(r"[^a-z0-9/]+", "_", name.lower()).strip("_")
    if name in METRICS:
        return METRICS[name].direction
    numerator, *denominators = re.split(r"_?/_?|_per_", name)
    if any(part.split("_")[0] in _UNITS_OF_TIME for part in denominators):
        return Direction.HIGHER_IS_BETTER
    words = set(numerator.split("_"))
    up, down = bool(words & _HIGHER), bool(words & _LOWER)
    if up == down:
        return None
    return Direction.HIGHER_IS_BETTER if up else Direction.LOWER_IS_BETTER
