"""The verdict rule, first version: bounds from the most extreme pair of launches.

A launch is the unit: iterations inside one are not independent. With b and m the values of a metric, one per launch of
the baseline and of the run, and d the logarithm of a ratio,

    estimate   d  = ln(middle m) - ln(middle b)      the middle launch; of two middle ones their geometric mean
    bounds     low = ln(min m) - ln(max b),  high = ln(max m) - ln(min b)
    margin     M  = ln(1 + margin): a factor, alike in both directions

The case is *regressed* or *improved* where the whole interval lies beyond the margin on the worse or better side,
*unchanged* where it lies within, and *inconclusive* everywhere else, with fewer than two launches on a side, and where
a value is not a positive finite number. Swapping the two sides mirrors the verdict exactly.

Limits: the bounds hold every ratio that was seen, not a stated share of those that could have been; there is no
correction for the number of cases, and launches of the two sides were not interleaved. The bounds can only widen with
more launches, so where the spread is too large the rule cannot say how many would be needed. The margin is a choice:
the default is provisional until noise on real machines has been measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from ssdbench.schema.verdict import Direction, Metric, Settings, Status, Verdict

DEFAULT_MARGIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """Logarithms of measured / baseline: the middle launches, and the most extreme pairs of launches."""

    estimate: float
    low: float
    high: float


def decide(
    metric: Metric, baseline_values: Sequence[float], measured_values: Sequence[float], settings: Settings
) -> Verdict:
    """The judgement of one metric of one case.

    Args:
        metric: says which direction is better.
        baseline_values: one value per launch of the baseline, in the metric's unit.
        measured_values: one value per launch of the run, in the metric's unit.
        settings: the margin, and how many launches each side needs (never fewer than two).
    """
    minimum = max(2, settings.minimum_launches)
    open_verdict = Verdict(
        status=Status.INCONCLUSIVE,
        metric=metric.name,
        sentence="",
        settings=settings,
        baseline_value=middle(baseline_values),
        measured_value=middle(measured_values),
        baseline_launches=len(baseline_values),
        measured_launches=len(measured_values),
    )
    if wrong := _impossible_value(metric, baseline_values, measured_values):
        return replace(open_verdict, sentence=wrong)
    if min(len(baseline_values), len(measured_values)) < minimum:
        change = _bounds(baseline_values, measured_values).estimate if baseline_values and measured_values else None
        sentence = (
            f"{_launches(len(measured_values))} against {_launches(len(baseline_values))} of the baseline: "
            f"a verdict needs at least {minimum} on each side"
        )
        return replace(
            open_verdict,
            sentence=sentence,
            change=None if change is None else _change(change),
            launches_needed=minimum,
        )
    return _judged(open_verdict, metric, _bounds(baseline_values, measured_values), minimum)


def middle(values: Sequence[float]) -> float | None:
    """The middle launch, of two middle ones the geometric mean; None where no value is positive and finite."""
    usable = sorted(value for value in values if 0 < value < math.inf)
    if not usable:
        return None
    below, above = usable[(len(usable) - 1) // 2], usable[len(usable) // 2]
    return below if below == above else math.sqrt(below) * math.sqrt(above)


def _judged(open_verdict: Verdict, metric: Metric, bounds: _Bounds, minimum: int) -> Verdict:
    margin = math.log1p(open_verdict.settings.margin)
    status = _status(bounds, margin, metric.direction)
    reach = max(bounds.high - bounds.estimate, bounds.estimate - bounds.low)
    judged = replace(
        open_verdict,
        status=status,
        change=_change(bounds.estimate),
        low=_change(bounds.low),
        high=_change(bounds.high),
        smallest_detectable_change=_change(margin + reach),
        launches_needed=None if status is Status.INCONCLUSIVE else minimum,
    )
    return replace(judged, sentence=_sentence(judged, metric))


def _bounds(baseline: Sequence[float], measured: Sequence[float]) -> _Bounds:
    return _Bounds(
        estimate=_log_middle(measured) - _log_middle(baseline),
        low=math.log(min(measured)) - math.log(max(baseline)),
        high=math.log(max(measured)) - math.log(min(baseline)),
    )


def _log_middle(values: Sequence[float]) -> float:
    return median(math.log(value) for value in values)


def _status(bounds: _Bounds, margin: float, direction: Direction) -> Status:
    rise, fall = Status.IMPROVED, Status.REGRESSED
    if direction is Direction.LOWER_IS_BETTER:
        rise, fall = fall, rise
    if -margin <= bounds.low and bounds.high <= margin:
        return Status.UNCHANGED
    if bounds.low > margin:
        return rise
    return fall if bounds.high < -margin else Status.INCONCLUSIVE


def _sentence(verdict: Verdict, metric: Metric) -> str:
    change, low, high = verdict.change or 0.0, verdict.low or 0.0, verdict.high or 0.0
    between = f"between {_percent(low)} and {_percent(high)}"
    margin = f"the margin of {100 * verdict.settings.margin:g}%"
    if verdict.status is Status.UNCHANGED:
        return f"{metric.title} changed by {_percent(change)}, {between}: within {margin}"
    if verdict.status is Status.INCONCLUSIVE:
        return (
            f"{metric.title} changed by {_percent(change)}, {between}: neither within {margin} nor beyond it; a change "
            f"under {_percent(verdict.smallest_detectable_change or 0.0)} cannot be told from this spread, and more "
            "launches cannot narrow these bounds: measure on a quieter machine"
        )
    word = "worse" if verdict.status is Status.REGRESSED else "better"
    way = "fell" if change < 0 else "rose"
    return f"{metric.title} {way} by {_percent(abs(change), sign='')}, {between}: {word} by more than {margin}"


def _impossible_value(metric: Metric, baseline: Sequence[float], measured: Sequence[float]) -> str | None:
    sides = (("measured", measured), ("baseline", baseline))
    for side, value in ((side, value) for side, values in sides for value in values):
        if not 0 < value < math.inf:
            return (
                f"a {side} launch has a {metric.title} of {value:g} {metric.unit}, which cannot be: "
                "its times are wrong, measure it again"
            )
    return None


def _change(log_ratio: float) -> float:
    return math.expm1(min(log_ratio, 700.0))  # beyond, a float overflows


def _percent(change: float, sign: str = "+") -> str:
    text = f"{100 * change:{sign}.1f}%"
    return text.lstrip("+-") if float(text[:-1]) == 0 else text


def _launches(count: int) -> str:
    return "1 launch" if count == 1 else f"{count} launches"
