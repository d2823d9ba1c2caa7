"""The change of a case with its interval: a chart for its details, and a small one for the table of all cases.

An interval that leaves the axis ends in an arrow: an axis that held it would hide the margin.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup

from ssdbench.report.numbers import change_text, interval_words
from ssdbench.report.svg import Plot, padded
from ssdbench.schema.image_evaluation import ImageComparison
from ssdbench.schema.text import percent
from ssdbench.schema.verdict import Verdict

_FOREST_WIDTH, _FOREST_HEIGHT = 132, 22
_LARGEST_SHOWN_CHANGE = 0.3


def interval_chart(verdict: Verdict) -> Markup | None:
    """The change with its interval, compared with the margin; None without an interval."""
    if verdict.change is None or verdict.low is None or verdict.high is None:
        return None
    title = f"Change {change_text(verdict)}, interval {interval_words(verdict)}"
    return _relative_interval_chart(
        (verdict.low, verdict.change, verdict.high),
        verdict.settings.margin,
        confidence=1 - verdict.settings.alpha,
        axis="change from the baseline, %",
        title=title,
    )


def ap_chart(found: ImageComparison) -> Markup | None:
    """The difference of AP of two images with its interval; None where there is nothing that it is relative to."""
    if not found.baseline_ap or found.low is None or found.change is None or found.high is None:
        return None
    low, change, high = (value / found.baseline_ap for value in (found.low, found.change, found.high))
    low_text, text, high_text = (percent(value, 2, sign="+") for value in (low, change, high))
    return _relative_interval_chart(
        (low, change, high),
        found.settings.margin,
        confidence=found.settings.confidence,
        axis="change of AP from the baseline, %",
        title=f"AP changed by {text}, interval {low_text} to {high_text}",
    )


def forest_reach(verdicts: Sequence[Verdict]) -> float:
    """The largest change on the scale of the table, in whole hundredths; intervals beyond it are cut."""
    ends = [(v.low, v.high) if v.low is not None else (v.change, v.change) for v in verdicts]
    bounds = [abs(bound) for pair in ends for bound in pair if bound is not None]
    margin = max((verdict.settings.margin for verdict in verdicts), default=0.01)
    reach = min(max([2 * margin, *bounds]), max(_LARGEST_SHOWN_CHANGE, 2 * margin))
    return math.ceil(100 * reach - 1e-9) / 100


def forest_row(verdict: Verdict, reach: float, style: str) -> Markup | None:
    """The change of one case with its interval, if it has one, on the scale of all cases; None without a change."""
    if verdict.change is None:
        return None
    bar = () if verdict.low is None or verdict.high is None else (verdict.low, verdict.high)

    def x(change: float) -> float:
        return _FOREST_WIDTH / 2 + max(-1.0, min(1.0, change / reach)) * (_FOREST_WIDTH / 2 - 4)

    middle, left, right = _FOREST_HEIGHT / 2, x(-verdict.settings.margin), x(verdict.settings.margin)
    arrows = "".join(
        f'<path class="line {style} thick" d="M{x(end) - 5 * way:.1f} {middle - 5}l{5 * way} 5l{-5 * way} 5"/>'
        for end, way in zip(bar or (verdict.change, verdict.change), (-1, 1), strict=True)
        if way * end > reach
    )
    line = f'<path class="line {style} thick" d="M{x(bar[0]):.1f} {middle}H{x(bar[1]):.1f}"/>' if bar else ""
    dot = f'<path class="dots {style} large" d="M{x(verdict.change):.1f} {middle}h0"/>'
    return Markup(
        f'<svg class="forest" viewBox="0 0 {_FOREST_WIDTH} {_FOREST_HEIGHT}" width="{_FOREST_WIDTH}" '
        f'height="{_FOREST_HEIGHT}" aria-hidden="true">'
        f'<rect class="margin" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{_FOREST_HEIGHT}"/>'
        f'<path class="line zero" d="M{x(0):.1f} 0v{_FOREST_HEIGHT}"/>'
        f"{line}{arrows}{dot if abs(verdict.change) <= reach else ''}</svg>"
    )


def _relative_interval_chart(
    bounds: tuple[float, float, float], margin: float, *, confidence: float, axis: str, title: str
) -> Markup:
    """A relative change between its bounds (low, change, high), compared with the margin; `title` says it in words."""
    bound_low, change, bound_high = bounds
    reach = max(_LARGEST_SHOWN_CHANGE, 2 * margin, 2 * abs(change))
    low, high = max(bound_low, -reach), min(bound_high, reach)
    plot = Plot(padded([100 * value for value in (low, high, -2 * margin, 2 * margin)], 0.05), (0.0, 1.0),
                height=120, left=12)  # fmt: skip
    plot.band((-100 * margin, 100 * margin), "margin")
    plot.axes(axis, f"change with its {100 * confidence:g}% interval; shaded: margin", y_ticks=[])
    plot.upright(0, (0, 1), "zero")
    plot.across(0.5, (100 * low, 100 * high), "candidate thick")
    for end, shown in ((bound_low, low), (bound_high, high)):
        if end != shown:
            plot.arrow((100 * shown, 0.5), "candidate", to_right=end > shown)
    plot.dots([(100 * change, 0.5)], "candidate large")
    return plot.svg(title)
