"""Measurement -> figures. Raw samples are kept, so that every figure can be derived again by a better rule.

* Throughput is all images of all ranks over the wall seconds of the timed region (the slowest rank's), batch fetch
  included: global, never per GPU.
* Step times count from the timed steps only; warm-up steps are in the samples and are left out here. The metrics
  `latency_*` are step times: latencies where every step was waited for (`Case.is_synchronised`), else the time of a
  step in a stream that is submitted ahead.
* A percentile is given only where at least 20 timed steps lie beyond it: p90 from 200 steps, p95 from 400, p99 from
  2000. With fewer, the figure would be the luck of a handful of steps: it is absent, not invented. The median is
  always given. Between two samples a percentile is interpolated linearly (type 7 of Hyndman and Fan 1996).
* Energy is given only where the host looked at every GPU at least 10 times during the region (`gpu_trace`).
* Arithmetic is throughput times the operations of an image, by GPU; its share of the matrix ceiling (MFU) is given only
  where that ceiling was measured in the session of the launch (`schema.limits`).
* Times that cannot be (not finite, negative, or a region of no length) make a figure NaN: it stays in the table, and
  `decide` answers it with a sentence.
"""

import math
from collections.abc import Callable, Mapping
from statistics import fmean

from ssdbench.analysis.gpu_trace import region_joules
from ssdbench.errors import UsageError
from ssdbench.schema.case import WORKLOADS, Case
from ssdbench.schema.metrics import METRICS, Metric
from ssdbench.schema.record import Measurement

STEPS_BEYOND_A_PERCENTILE = 20
_SHARES = {"latency_p90": 0.90, "latency_p95": 0.95, "latency_p99": 0.99}
STEPS_NEEDED = {name: round(STEPS_BEYOND_A_PERCENTILE / (1 - share)) for name, share in _SHARES.items()}
"""Timed steps that a launch needs, at least, for each percentile above the median."""


def gated_metric(case: Case) -> Metric:
    """The one metric that a verdict on this case rests on.

    Raises:
        UsageError: a workload that this version does not know, or one that is judged by its curves.
    """
    traits = WORKLOADS.get(case.workload)
    if traits is None:
        raise UsageError(
            f"case {case.key}: workload {case.workload!r} is unknown here, known are {', '.join(WORKLOADS)}; "
            "update ssdbench to compare it"
        )
    if traits.gated_metric is None:
        raise UsageError(f"case {case.key} trains for accuracy: judge its run with `ssdbench converge check`")
    return METRICS[traits.gated_metric]


def is_timed(case: Case) -> bool:
    """Whether a case is judged by a metric, and not by the curves of its trainings; True where that is not known."""
    traits = WORKLOADS.get(case.workload)
    return traits is None or traits.gated_metric is not None


def figure(name: str, measurement: Measurement) -> float | None:
    """One metric of `schema.verdict.METRICS` in its unit; None where the samples do not support it."""
    return _FIGURES[name](measurement)


def figures(measurement: Measurement) -> dict[str, float]:
    """All metrics that the samples support, by name, each in the unit that `METRICS` says."""
    found = {name: derive(measurement) for name, derive in _FIGURES.items()}
    return {name: value for name, value in found.items() if value is not None}


def throughput(measurement: Measurement) -> float:
    """Images per second of all ranks together (global); NaN for a region of no length."""
    return _ratio(measurement.images, measurement.wall_seconds)


def percentile(samples: tuple[float, ...], share: float) -> float:
    """The value with `share` (0 to 1) of the samples below it, interpolated linearly; samples must not be empty."""
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _timed_steps(measurement: Measurement) -> tuple[float, ...]:
    return measurement.step_seconds[measurement.warmup_steps :]


def _latency(share: float, needed: int) -> Callable[[Measurement], float | None]:
    def derive(measurement: Measurement) -> float | None:
        steps = _timed_steps(measurement)
        if len(steps) < needed:
            return None
        return percentile(steps, share) if _possible(steps) else math.nan

    return derive


def _latency_mean(measurement: Measurement) -> float | None:
    steps = _timed_steps(measurement)
    if not steps:
        return None
    return fmean(steps) if _possible(steps) else math.nan


def _fetch_share(measurement: Measurement) -> float | None:
    steps = _timed_steps(measurement)
    fetches = measurement.fetch_seconds[measurement.warmup_steps :]
    if not steps or len(fetches) != len(steps):
        return None
    return _ratio(math.fsum(fetches), math.fsum(steps)) if _possible(steps) and _possible(fetches) else math.nan


def _peak_memory(measurement: Measurement) -> float | None:
    return float(max(measurement.peak_memory_bytes)) if measurement.peak_memory_bytes else None


def _energy(measurement: Measurement) -> float | None:
    joules = [region_joules(gpu, measurement.wall_seconds) for gpu in measurement.gpus]
    known = [value for value in joules if value is not None]
    if not known or len(known) < len(measurement.rank_wall_seconds) or measurement.images <= 0:
        return None
    return math.fsum(known) / measurement.images


def _power(measurement: Measurement) -> float | None:
    joules = _energy(measurement)
    return None if joules is None else joules * throughput(measurement)


def _flop_rate(measurement: Measurement) -> float | None:
    limits, ranks = measurement.limits, len(measurement.rank_wall_seconds)
    if limits is None or limits.flop_per_image is None or not ranks:
        return None
    return throughput(measurement) * limits.flop_per_image / ranks


def _mfu(measurement: Measurement) -> float | None:
    rate, limits = _flop_rate(measurement), measurement.limits
    if rate is None or limits is None or limits.matmul_flop_per_second is None:
        return None
    return _ratio(rate, limits.matmul_flop_per_second)


def _possible(seconds: tuple[float, ...]) -> bool:
    return all(0 <= value < math.inf for value in seconds)


def _ratio(amount: float, seconds: float) -> float:
    return amount / seconds if 0 < seconds < math.inf else math.nan


_FIGURES: Mapping[str, Callable[[Measurement], float | None]] = {
    "throughput": throughput,
    "latency_p50": _latency(0.50, 1),
    "latency_mean": _latency_mean,
    **{name: _latency(share, STEPS_NEEDED[name]) for name, share in _SHARES.items()},
    "fetch_share": _fetch_share,
    "peak_memory": _peak_memory,
    "energy": _energy,
    "power": _power,
    "flop_per_second_per_gpu": _flop_rate,
    "mfu": _mfu,
}
