"""A case over time: one series for each set of conditions, with the places where its level changed."""

from __future__ import annotations

from enum import Enum

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import Difference


class Grouping(str, Enum):
    """What one point of a series covers: a run, or all launches within one release of a container."""

    RUN = "run"
    CONTAINER = "container"

    @classmethod
    def _missing_(cls, value: object) -> Grouping | None:
        """The name of `run` before version 0.2."""
        return cls.RUN if value == "night" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One run or container: `value` is the middle launch, `low` and `high` the extreme ones, in the metric's unit.

    `label` is a date and time (UTC or as recorded), or a container's release. `change` is relative to the median of
    the segment before (None in the first segment).
    """

    label: str
    measured_at: str
    run_ids: tuple[str, ...]
    value: float
    low: float
    high: float
    launches: int
    segment: int = 0
    change: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A new level begins at the point `index`: `change` is the ratio of the medians of both segments, less one.

    `differences` lists what else differs between the last point before it and the first one after it.
    """

    index: int
    change: float
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One case under equal conditions (hardware, workload version, protocol, images), oldest point first.

    `notes` are sentences: what was left out, and how many change points there are or why none was looked for.
    """

    case_key: str
    title: str
    metric: str
    hardware_key: str
    conditions: tuple[tuple[str, str], ...]
    points: tuple[HistoryPoint, ...]
    change_points: tuple[ChangePoint, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHistory:
    """A case that was measured: in how many runs, on which hardware, and when first and last."""

    case_key: str
    title: str
    hardware_keys: tuple[str, ...]
    runs: int
    first: str
    last: str
