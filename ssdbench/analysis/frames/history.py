"""A row for each point in the history of a case."""

from collections.abc import Iterable

import pandas as pd

from ssdbench.analysis.frames.columns import TIME, Column, build
from ssdbench.errors import UsageError
from ssdbench.schema.history import Series
from ssdbench.schema.metrics import METRICS

HISTORY_COLUMNS = (
    Column("case", "string", "key of the case"),
    Column("title", "string", "short name of the case"),
    Column("metric", "string", "the metric of `value`"),
    Column("unit", "string", "its unit"),
    Column("hardware", "string", "hardware key"),
    Column("conditions", "string", "all that must agree but the hardware: workload version, timer, steps, images"),
    Column("label", "string", "when the run began as recorded, or the release of the container"),
    Column("measured_at", TIME, "when the (first) run of the point began"),
    Column("run_ids", "string", "the runs of the point, separated by blanks"),
    Column("value", "float64", "the middle launch, in the metric's unit"),
    Column("low", "float64", "the lowest launch"),
    Column("high", "float64", "the highest launch"),
    Column("launches", "int64", "launches of the point"),
    Column("segment", "int64", "number of the level that the point belongs to, from 0"),
    Column("is_change_point", "bool", "whether a new level begins with this point"),
    Column("level_change", "float64", "relative change of the level at a change point; missing elsewhere"),
    Column("differences", "string", "what else changed at a change point, `name old -> new`, separated by '; '"),
)


def history_frame(found: Iterable[Series]) -> pd.DataFrame:
    """A row for each point, series after series, each oldest first; the index counts the rows from 0."""
    rows = []
    for series in found:
        changes = {change.index: change for change in series.change_points}
        for index, point in enumerate(series.points):
            change = changes.get(index)
            rows.append(
                {
                    "case": series.case_key,
                    "title": series.title,
                    "metric": series.metric,
                    "unit": METRICS[series.metric].unit,
                    "hardware": series.hardware_key,
                    "conditions": conditions_of(series),
                    "run_ids": " ".join(point.run_ids),
                    **{name: getattr(point, name) for name in ("label", "measured_at", "value", "low", "high")},
                    **{name: getattr(point, name) for name in ("launches", "segment")},
                    "is_change_point": change is not None,
                    "level_change": change.change if change else None,
                    "differences": "; ".join(
                        f"{item.name} {item.baseline} -> {item.candidate}" for item in change.differences
                    )
                    if change
                    else None,
                }
            )
    return build(HISTORY_COLUMNS, rows)


def conditions_of(series: Series) -> str:
    """The conditions of a series but its hardware, as a text."""
    return "; ".join(f"{name} {value}" for name, value in series.conditions)


def refuse_several(found: Iterable[Series]) -> None:
    """Nothing, where this is one series.

    Raises:
        UsageError: it is several, which are never compared.
    """
    series = list(found)
    if len(series) > 1:
        named = " | ".join(f"{item.hardware_key}: {conditions_of(item)}" for item in series)
        raise UsageError(
            f"case {series[0].case_key} has {len(series)} series that are never compared ({named}): choose with "
            "hardware=..., or take all with mixed=True and group by `hardware` and `conditions`"
        )
