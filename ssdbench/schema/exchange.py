"""A run as neighbours' formats see it: cases with the figures of each launch."""

from __future__ import annotations

from ssdbench.compatibility import dataclass
from ssdbench.schema.case import Case
from ssdbench.schema.record import RunHeader
from ssdbench.schema.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLaunch:
    """One launch: all figures by metric, each in the unit of `schema.verdict.METRICS`.

    `step_seconds` is the time of a step as the gated metric sees it: a latency itself, or the global batch size over
    the throughput.
    """

    launch: int
    started_at: str
    step_seconds: float
    figures: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCase:
    """A case with its measured launches, in order; `trainings` are the curves of an accuracy case."""

    case: Case
    launches: tuple[ExportedLaunch, ...]
    trainings: tuple[Training, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedRun:
    """The values of a run for other tools; `left_out` names the cases without a value, and why."""

    header: RunHeader
    cases: tuple[ExportedCase, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedValue:
    """One launch from elsewhere."""

    case: str
    metric: str
    value: float
