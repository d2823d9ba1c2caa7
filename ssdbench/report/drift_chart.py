"""The changes of one build measured twice, over time: whatever they show is noise, or a fault of the measurement."""

from markupsafe import Markup

from ssdbench.report.svg import Plot, padded
from ssdbench.report.trend_charts import date_ticks
from ssdbench.schema.text import interval, percent, pluralize
from ssdbench.schema.times import moment_of
from ssdbench.schema.watch import Drift, SameBuildChange

_DAY_SECONDS = 86400.0


def drift_chart(drift: Drift, width: int) -> Markup | None:
    """Every change of one build measured twice, with its interval, over time; None without any."""
    placed = [(day, change) for change in drift.changes if (day := _day(change.measured_at)) is not None]
    if not placed:
        return None
    ends = [100 * end for _, change in placed for end in (change.low, change.high, change.change) if end is not None]
    days = sorted({day for day, _ in placed})
    # Of the length alone: two runs of one hour would lie in one place, and so would their dates.
    reach = 0.04 * (days[-1] - days[0]) or 0.3
    plot = Plot((days[0] - reach, days[-1] + reach), padded([*ends, 0.0], 0.1), width=width, height=210)
    plot.axes("date", "change of one build from itself, %", x_ticks=date_ticks(days, width))
    plot.across(0, (days[0] - reach, days[-1] + reach), "zero")
    plot.whiskers(
        ((day, 100 * c.low, 100 * c.high) for day, c in placed if c.low is not None and c.high is not None),
        "candidate thin",
    )
    for style, is_alarm in (("candidate", False), ("bad", True)):
        chosen = [(day, change) for day, change in placed if change.is_alarm is is_alarm]
        plot.named_dots(((day, 100 * change.change, _described(change), "") for day, change in chosen), style)
    return plot.svg(f"Changes of one build from itself in {pluralize(drift.runs, 'run')}")


def _described(change: SameBuildChange) -> str:
    bounds = ""
    if change.low is not None and change.high is not None:
        bounds = f" ({' to '.join(interval(change.low, change.high))})"
    alarm = ", a false alarm" if change.is_alarm else ""
    moment = change.measured_at[:16].replace("T", " ")
    return f"{moment}: {change.title} {percent(change.change, sign='+')}{bounds}{alarm}, {change.run_id}"


def _day(text: str) -> float | None:
    moment = moment_of(text)
    return moment.timestamp() / _DAY_SECONDS if moment is not None else None
