"""The history of a case as charts: over time where its points are runs, else over the releases of a container."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from statistics import median

from markupsafe import Markup

from ssdbench.report.numbers import in_shown_unit, shown_unit
from ssdbench.report.svg import Plot, Tick, padded
from ssdbench.schema.history import HistoryPoint, Series
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.times import moment_of

_SPARK_WIDTH, _SPARK_HEIGHT = 132, 30
_DAY_SECONDS = 86400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def trend_chart(
    series: Series,
    labels: Sequence[str],
    *,
    run_id: str = "",
    width: int = 360,
    describe: Callable[[HistoryPoint], str],
    address: Callable[[HistoryPoint], str],
) -> Markup:
    """A series with the range of launches, its levels and change points; the point of `run_id` is marked.

    `labels` name the points below a chart over releases. `describe` gives the tooltip of a point, `address` the page
    that it links to, empty for none.
    """
    metric, points = METRICS[series.metric], series.points
    values = [in_shown_unit(metric, point.value) for point in points]
    extremes = [(in_shown_unit(metric, point.low), in_shown_unit(metric, point.high)) for point in points]
    y_range = padded([value for pair in extremes for value in pair], 0.15)
    places, days = _places(points), _days(points)
    reach = 0.4 * min((b - a for a, b in pairwise(places) if b > a), default=1.0)
    plot = Plot((places[0] - reach, places[-1] + reach), y_range, width=width, height=210 if width < 500 else 260)
    plot.axes(
        "container release" if days is None else "date",
        f"{metric.title}, {shown_unit(metric)}",
        x_ticks=_some(labels, width) if days is None else date_ticks(days, width),
    )
    for number in range(points[-1].segment + 1):
        part = [n for n, point in enumerate(points) if point.segment == number]
        ends = (places[part[0]] - reach, places[part[-1]] + reach)
        plot.across(median(values[n] for n in part), ends, "level")
    plot.whiskers(((places[n], low, high) for n, (low, high) in enumerate(extremes)), "candidate thin")
    for number, change in enumerate(series.change_points):
        style = change_style(series.metric, change.change)
        place = (places[change.index - 1] + places[change.index]) / 2
        plot.upright(place, y_range, f"{style} dashed")
        plot.note(place, percent(change.change, sign="+"), f"{style}-text", line=number % 3)
    plot.dots([(places[n], values[n]) for n, point in enumerate(points) if run_id in point.run_ids], "ring")
    named = [(places[n], values[n], describe(point), address(point)) for n, point in enumerate(points)]
    plot.named_dots(named, "candidate")
    described = f"{pluralize(len(points), 'point')}, {pluralize(len(series.change_points), 'change point')}"
    return plot.svg(f"{metric.title} over {described}")


def sparkline(series: Series) -> Markup:
    """The trend of a series without axes; its change points are marked."""
    values, places = [point.value for point in series.points], _places(series.points)
    low, high = padded(values, 0.0)
    across, length = _SPARK_WIDTH - 10, places[-1] - places[0]

    def x(place: float) -> float:
        return 5 + ((place - places[0]) / length if length > 0 else 0.5) * across

    def y(value: float) -> float:
        return _SPARK_HEIGHT - 5 - ((value - low) / (high - low) if high > low else 0.5) * (_SPARK_HEIGHT - 10)

    line = "L".join(f"{x(place):.1f} {y(value):.1f}" for place, value in zip(places, values, strict=True))
    marks = "".join(
        f'<path class="line {change_style(series.metric, change.change)} thin" '
        f'd="M{x((places[change.index - 1] + places[change.index]) / 2):.1f} 1v{_SPARK_HEIGHT - 2}"/>'
        for change in series.change_points
    )
    return Markup(
        f'<svg class="spark" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" width="{_SPARK_WIDTH}" '
        f'height="{_SPARK_HEIGHT}" aria-hidden="true">{marks}<path class="line candidate" d="M{line}"/>'
        f'<path class="dots candidate" d="M{x(places[-1]):.1f} {y(values[-1]):.1f}h0"/></svg>'
    )


def change_style(metric: str, change: float) -> str:
    """`good` or `bad`, by the direction of the metric."""
    return "good" if (change > 0) == (METRICS[metric].direction is Direction.HIGHER_IS_BETTER) else "bad"


def _places(points: Sequence[HistoryPoint]) -> list[float]:
    """Where the points are on the axis: days, or their number where they are releases."""
    return _days(points) or [float(number) for number in range(len(points))]


def _days(points: Sequence[HistoryPoint]) -> list[float] | None:
    """Days since 1970 of each point, in their order; None where the points are releases or a date cannot be read."""
    if any(point.label[:10] != point.measured_at[:10] for point in points):
        return None
    moments = [moment for point in points if (moment := moment_of(point.measured_at)) is not None]
    days = [moment.timestamp() / _DAY_SECONDS for moment in moments]
    return days if len(days) == len(points) and days == sorted(days) else None


def date_ticks(days: Sequence[float], width: int) -> list[Tick]:
    """Moments at equal distances, the first and the last of `days` (since 1970, in order) among them.

    They have the time of day where all are of one day.
    """
    most = max(2, (width - 60) // 115)  # a label and its gap take 115 of the chart's units
    first, length = days[0], days[-1] - days[0]
    form, count = ("%Y-%m-%d", min(most, int(length) + 1)) if length >= 1 else ("%m-%d %H:%M", 2 if length else 1)
    places = [first + length * number / max(1, count - 1) for number in range(count)]
    return [(place, f"{_EPOCH + timedelta(days=place):{form}}") for place in places]


def _some(labels: Sequence[str], width: int) -> list[Tick]:
    # A label and its gap take 100 of the chart's units.
    most = max(2, (width - 60) // 100)
    if len(labels) <= most:
        return [(float(index), label) for index, label in enumerate(labels)]
    stride = max(1, -(-(len(labels) - 1) // (most - 1)))
    return [(float(index), labels[index]) for index in range(len(labels) - 1, -1, -stride)][::-1]
