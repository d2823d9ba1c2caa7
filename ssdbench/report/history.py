"""The history of a case, for a terminal (sparkline and table) and as CSV for other tools."""

import csv
import io
from collections.abc import Iterable, Sequence
from statistics import median

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.numbers import shown_unit, significant_digits, value_text
from ssdbench.report.tables import case_cell, new_table, units
from ssdbench.schema.history import CaseHistory, ChangePoint, HistoryPoint, Series
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.plain_text import csv_cell, one_line
from ssdbench.schema.text import percent
from ssdbench.schema.verdict import Difference

_BARS = "▁▂▃▄▅▆▇█"
_MARK = "◆"
_COLUMNS = (
    "case",
    "metric",
    "unit",
    "hardware",
    "conditions",
    "label",
    "measured_at",
    "runs",
    "value",
    "low",
    "high",
    "launches",
    "segment",
    "change_point",
    "level_change",
    "differences",
)


def render_series(series: Series, width: int) -> RenderableType:
    """One series: the case and its conditions, a sparkline with the change points marked, a table, and notes."""
    metric = METRICS[series.metric]
    conditions = " · ".join(f"{name} {value}" for name, value in series.conditions)
    about = Text.assemble((series.title, "bold"), f", {metric.title}\n", (f"on {series.hardware_key}\n", "dim"))
    about.append(conditions, "dim")
    parts: list[RenderableType] = [about, Text(), _sparkline(series, width), Text(), _table(series)]
    parts += [Text(), units([series.metric])]
    parts += [Text(note) for note in series.notes]
    return Group(*parts)


def render_cases(cases: Iterable[CaseHistory]) -> RenderableType:
    """The cases that have a history."""
    table = new_table("case", "runs", "first", "last", "hardware")
    table.columns[-1].justify = "left"
    for case in cases:
        hardware = Text("\n".join(case.hardware_keys))
        table.add_row(case_cell(case.title), str(case.runs), case.first[:10], case.last[:10], hardware)
    return table


def csv_of(all_series: Iterable[Series]) -> str:
    """All points of all series, values in the metric's own unit; see results/README.md for the columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for series in all_series:
        changes = {change.index: change for change in series.change_points}
        for index, point in enumerate(series.points):
            writer.writerow([csv_cell(one_line(cell)) for cell in _csv_row(series, point, changes.get(index))])
    return text.getvalue()


def _csv_row(series: Series, point: HistoryPoint, change: ChangePoint | None) -> list[str]:
    return [
        series.case_key,
        series.metric,
        METRICS[series.metric].unit,
        series.hardware_key,
        "; ".join(f"{name} {value}" for name, value in series.conditions),
        point.label,
        point.measured_at,
        " ".join(point.run_ids),
        repr(point.value),
        repr(point.low),
        repr(point.high),
        str(point.launches),
        str(point.segment),
        str(int(change is not None)),
        "" if change is None else repr(change.change),
        "" if change is None else _joined(change.differences),
    ]


def _sparkline(series: Series, width: int) -> Text:
    points = series.points[-width:]
    hidden = len(series.points) - len(points)
    low, high = min(point.value for point in points), max(point.value for point in points)
    starts = {change.index - hidden: change for change in series.change_points}
    line, marks = Text(), Text()
    for index, point in enumerate(points):
        level = round((point.value - low) / (high - low) * (len(_BARS) - 1)) if high > low else len(_BARS) // 2
        line.append(_BARS[level])
        change = starts.get(index)
        marks.append(_MARK if change else " ", _style(series.metric, change.change) if change else "")
    marks.rstrip()
    metric, digits = METRICS[series.metric], series_digits(series)
    ends = "..".join(value_text(metric, value, digits) for value in (low, high))
    newest = f", the newest {len(points)} of {len(series.points)} points" if hidden else ""
    legend = Text(f"{ends} {shown_unit(metric)}{newest}", "dim")
    return Text("\n").join([line, marks, legend] if marks.plain else [line, legend])


def _table(series: Series) -> RenderableType:
    metric = METRICS[series.metric]
    labels = short_labels([point.label for point in series.points])
    table = new_table(
        "container" if labels == [p.label for p in series.points] else "date", "value", "launches", "vs level"
    )
    table.add_column("change point", ratio=1)
    changes = {change.index: change for change in series.change_points}
    digits = series_digits(series)
    for index, point in enumerate(series.points):
        change = changes.get(index)
        table.add_row(
            labels[index],
            f"{value_text(metric, point.value, digits)} {shown_unit(metric)}",
            str(point.launches),
            "" if point.change is None else percent(point.change, 1, sign="+"),
            _level(series.metric, change) if change else "",
        )
    return table


def _level(metric: str, change: ChangePoint) -> Text:
    text = Text(f"{_MARK} {percent(change.change, sign='+')}", _style(metric, change.change))
    for difference in change.differences:
        text.append(f"\n{difference.name} {difference.baseline} -> {difference.candidate}", "dim")
    return text


def _style(metric: str, change: float) -> str:
    better = (change > 0) == (METRICS[metric].direction is Direction.HIGHER_IS_BETTER)
    return "bold green" if better else "bold red"


def short_labels(labels: Sequence[str]) -> list[str]:
    """Dates, without the time of day where no day has two points; other labels are returned as they are."""
    if not all(len(label) >= 16 and label[10:11] == "T" for label in labels):
        return list(labels)
    days = [label[:10] for label in labels]
    return days if len(set(days)) == len(days) else [label[:16].replace("T", " ") for label in labels]


def series_digits(series: Series) -> int:
    """Significant digits that the median spread of the launches supports."""
    spreads = [(point.high - point.low) / point.value for point in series.points if point.launches > 1]
    return significant_digits(median(spreads) if spreads else None)


def _joined(differences: Iterable[Difference]) -> str:
    return "; ".join(f"{item.name} {item.baseline} -> {item.candidate}" for item in differences)
