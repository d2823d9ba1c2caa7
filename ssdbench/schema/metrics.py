"""Metrics: figures that are derived from a measurement, with the direction in which they get better."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ssdbench.compatibility import dataclass, without_suffix


class Direction(str, Enum):
    """Which way a metric gets better."""

    HIGHER_IS_BETTER = "higher_is_better"
    LOWER_IS_BETTER = "lower_is_better"

    @property
    def word(self) -> str:
        """`higher` or `lower`, as tables and options have it."""
        return without_suffix(self.value, "_is_better")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure derived from a measurement; `title` names it in a sentence."""

    name: str
    title: str
    unit: str
    direction: Direction
    description: str


RESTATED = ("flop_per_second_per_gpu", "mfu")
"""Metrics that are the throughput on another scale: shown, but not as a change of their own."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="throughput",
            title="global throughput",
            unit="images/s",
            direction=Direction.HIGHER_IS_BETTER,
            description="images of all ranks over wall seconds of the timed region (global)",
        ),
        Metric(
            name="latency_p50",
            title="median step time",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="median step time of the slowest rank",
        ),
        Metric(
            name="latency_mean",
            title="mean step time",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="mean step time of the slowest rank",
        ),
        Metric(
            name="latency_p90",
            title="90th percentile of the step time",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="90th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="latency_p95",
            title="95th percentile of the step time",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="95th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="latency_p99",
            title="99th percentile of the step time",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="99th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="fetch_share",
            title="share of time waiting for batches",
            unit="1",
            direction=Direction.LOWER_IS_BETTER,
            description="share of the step time spent waiting for the batch",
        ),
        Metric(
            name="peak_memory",
            title="peak memory of a rank",
            unit="bytes",
            direction=Direction.LOWER_IS_BETTER,
            description="largest peak memory of any rank",
        ),
        Metric(
            name="energy",
            title="energy of an image",
            unit="J/image",
            direction=Direction.LOWER_IS_BETTER,
            description="energy of all GPUs of the case over the timed region, by image",
        ),
        Metric(
            name="power",
            title="mean power",
            unit="W",
            direction=Direction.LOWER_IS_BETTER,
            description="mean power of all GPUs of the case over the timed region",
        ),
        Metric(
            name="flop_per_second_per_gpu",
            title="arithmetic of each GPU",
            unit="FLOP/s",
            direction=Direction.HIGHER_IS_BETTER,
            description="floating-point operations of the model a second, of each GPU (or process)",
        ),
        Metric(
            name="mfu",
            title="share of the matrix ceiling (MFU)",
            unit="1",
            direction=Direction.HIGHER_IS_BETTER,
            description="arithmetic of each GPU over the rate of a matrix product, measured in the same session",
        ),
    )
}
