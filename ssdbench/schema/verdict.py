"""What is said of a change: metrics with their direction, baselines, verdicts, comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ssdbench.schema.record import Record


class Direction(str, Enum):
    """Which way a metric gets better."""

    HIGHER_IS_BETTER = "higher_is_better"
    LOWER_IS_BETTER = "lower_is_better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure derived from a measurement."""

    name: str
    unit: str
    direction: Direction
    description: str


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="throughput",
            unit="images/s",
            direction=Direction.HIGHER_IS_BETTER,
            description="images of all ranks over wall seconds of the timed region (global)",
        ),
        Metric(
            name="latency_p50",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="median step time of the slowest rank",
        ),
        Metric(
            name="latency_mean",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="mean step time of the slowest rank",
        ),
        Metric(
            name="latency_p90",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="90th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="latency_p95",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="95th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="latency_p99",
            unit="s",
            direction=Direction.LOWER_IS_BETTER,
            description="99th percentile of the step time of the slowest rank",
        ),
        Metric(
            name="fetch_share",
            unit="1",
            direction=Direction.LOWER_IS_BETTER,
            description="share of the step time spent waiting for the batch",
        ),
        Metric(
            name="peak_memory",
            unit="bytes",
            direction=Direction.LOWER_IS_BETTER,
            description="largest peak memory of any rank",
        ),
    )
}


class Status(str, Enum):
    """What can be said of a case. Only UNCHANGED and IMPROVED are passes."""

    UNCHANGED = "unchanged"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"
    NO_BASELINE = "no_baseline"
    INCOMPARABLE = "incomparable"
    NOT_RUN = "not_run"
    SKIPPED = "skipped"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Levels of the decision, recorded with every verdict; `margin` is a relative change (0.05 is 5 %)."""

    margin: float
    minimum_launches: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one metric of one case; every change is relative to the baseline (+0.02 is 2 % more).

    `low` and `high` bound the change. `smallest_detectable_change` and `launches_needed` (per side) say what these
    data could have shown, and what it would take to show a change of the margin.
    """

    status: Status
    metric: str
    sentence: str
    settings: Settings
    baseline_value: float | None = None
    measured_value: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    baseline_launches: int = 0
    measured_launches: int = 0
    smallest_detectable_change: float | None = None
    launches_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerdict:
    """A case and what is said of it."""

    case_key: str
    title: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cases of a run against a baseline."""

    run_id: str
    baseline: str
    cases: tuple[CaseVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Accepted launches, with all raw samples, and why they were accepted."""

    schema_version: int
    name: str
    reason: str
    accepted_at: str
    run_id: str
    records: tuple[Record, ...]
