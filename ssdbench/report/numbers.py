"""Values as text: in a familiar unit, with no more digits than the spread of the launches supports."""

import math

from ssdbench.schema.metrics import Metric
from ssdbench.schema.text import interval, percent
from ssdbench.schema.verdict import MetricChange, Verdict

_DISPLAY = {"s": (1e3, "ms"), "bytes": (2.0**-30, "GiB"), "1": (100.0, "%"), "FLOP/s": (1e-12, "TFLOP/s")}


def significant_digits(relative_spread: float | None) -> int:
    """Significant digits, 2 to 5: one more than those that are certain; 3 where the spread is unknown."""
    if relative_spread is None or not math.isfinite(relative_spread):
        return 3
    if relative_spread <= 0:
        return 5
    return min(5, max(2, 1 + math.ceil(-math.log10(relative_spread))))


def in_shown_unit(metric: Metric, value: float) -> float:
    """`value`, given in the metric's unit, in `shown_unit`."""
    return value * _DISPLAY.get(metric.unit, (1.0, metric.unit))[0]


def value_text(metric: Metric, value: float, digits: int) -> str:
    """`value`, given in the metric's unit, as a number in `shown_unit`."""
    return rounded(in_shown_unit(metric, value), digits)


def shown_unit(metric: Metric) -> str:
    """The unit in which the metric is shown."""
    return _DISPLAY.get(metric.unit, (1.0, metric.unit))[1]


def rounded(value: float, digits: int) -> str:
    """`value` with this many significant digits, never in scientific notation."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def change_text(verdict: Verdict | MetricChange) -> str:
    """The change in per cent with its sign; empty without one."""
    return "" if verdict.change is None else percent(verdict.change, _decimals(verdict), sign="+")


def interval_text(verdict: Verdict | MetricChange) -> str:
    """The bounds of the change in per cent for a table cell, without the unit: `-0.5..+1.2`; empty without them."""
    if verdict.low is None or verdict.high is None:
        return ""
    low, high = interval(verdict.low, verdict.high, _decimals(verdict))
    return f"{low[:-1]}..{high[:-1]}"


def interval_words(verdict: Verdict | MetricChange) -> str:
    """The bounds of the change for a sentence: `-0.5% to +1.2%`; empty without them."""
    if verdict.low is None or verdict.high is None:
        return ""
    return " to ".join(interval(verdict.low, verdict.high, _decimals(verdict))).replace(">", "more than ")


def spread(verdict: Verdict | MetricChange) -> float | None:
    """Half the width of the interval of the change, relative to the baseline; None if unknown."""
    return None if verdict.low is None or verdict.high is None else (verdict.high - verdict.low) / 2


def _decimals(verdict: Verdict | MetricChange) -> int:
    half_width = spread(verdict)
    if half_width is None:
        return 1
    return 0 if half_width >= 0.1 else 1 if half_width >= 0.001 else 2


def supported_decimals(value: float, half_width: float | None) -> int:
    """Decimal places that the half width of an interval supports; negative means tens, hundreds and so on.

    The last digit is at the place of the first digit of the half width, or one place further if that digit is a 1, so
    that rounding adds less than half of the uncertainty. At most five significant digits; three if nothing is known.
    """
    place = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    most = 4 - place
    if half_width is None or not math.isfinite(half_width):
        return 2 - place
    if half_width <= 0:
        return most
    exponent = math.floor(math.log10(half_width))
    return min(most, -exponent + (1 if half_width < 2 * 10.0**exponent else 0))


def fixed(value: float, decimals: int) -> str:
    """`value` rounded to `decimals` decimal places (negative: tens, hundreds), never in scientific notation."""
    return f"{round(value, decimals):.{max(0, decimals)}f}" if math.isfinite(value) else f"{value:g}"


def duration(seconds: float) -> str:
    """Seconds for people: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count_bytes: float) -> str:
    """Bytes in binary units, three significant digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count_bytes < 1024:
            return f"{count_bytes:.3g} {unit}" if unit != "B" else f"{count_bytes:.0f} B"
        count_bytes /= 1024
    return f"{count_bytes:.3g} TiB"
