"""Stability over seeds: the table of the published model card, computed from curves, and a check of printed ones.

Every sample of n values obeys, with s the SD that divides by n:

    min <= mean <= max, min <= median <= max
    |mean - median| <= s                                       Hotelling and Solomons (1932)
    mean - min <= s * sqrt(n - 1), max - mean likewise         Samuelson (1968)
    (max - min) / sqrt(2 n) <= s                               Szokefalvi Nagy (1918)
    s^2 <= (max - mean) * (mean - min)                         Bhatia and Davis (2000)

A printed SD may divide by n or by n - 1, and a printed value represents every value that rounds to it: a set is refused
only if no choice of either makes it possible. A computed value represents all within float rounding.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev

from ssdbench.analysis.convergence.seeds import aps, fault_of
from ssdbench.errors import UsageError
from ssdbench.schema.convergence import Printed, PrintedStability, SeedResult, Stability
from ssdbench.schema.training import Training


def final_ap(training: Training) -> float:
    """AP of the last evaluation."""
    curve = aps(training)
    return curve[max(curve)]


def stability(trainings: Sequence[Training]) -> Stability:
    """Mean, SD, extremes and median of the final AP; of whole trainings alone.

    Raises:
        UsageError: none, one that did not end well, or one that was never evaluated.
    """
    if not trainings:
        raise UsageError("a stability table needs one training at least; there is none")
    for training in trainings:
        fault = fault_of(SeedResult(launch=0, training=training))
        if fault is None and not aps(training):
            fault = f"seed {training.seed}: it was never evaluated"
        if fault:
            raise UsageError(f"{fault}; a stability table is of trainings that ended well, train it again")
    return summarised([final_ap(training) for training in trainings])


def summarised(values: Sequence[float]) -> Stability:
    """The row of one value at least."""
    return Stability(
        seeds=len(values),
        mean=fmean(values),
        sd=stdev(values) if len(values) > 1 else None,
        minimum=min(values),
        maximum=max(values),
        median=median(values),
    )


def impossibilities(summary: PrintedStability | Stability) -> tuple[str, ...]:
    """Every inequality that no sample with these figures could obey, as a sentence; empty where possible."""
    if isinstance(summary, Stability) and summary.sd is None:
        return ()
    printed = _as_printed(summary) if isinstance(summary, Stability) else summary
    shown = (printed.mean, printed.sd, printed.minimum, printed.maximum, printed.median)
    if not all(math.isfinite(bound) for value in shown for bound in (value.low, value.high)):
        return ("a figure is not finite",)
    if printed.seeds < 2 or printed.sd.high < 0:
        return ("the standard deviation is negative, or there are fewer than two seeds",)
    return (*_out_of_order(printed), *_spread_faults(printed))


def _as_printed(row: Stability) -> PrintedStability:
    mean, sd, least, most, middle = (
        Printed.within(value, 0.0) for value in (row.mean, row.sd or 0.0, row.minimum, row.maximum, row.median)
    )
    return PrintedStability(seeds=row.seeds, mean=mean, sd=sd, minimum=least, maximum=most, median=middle)


def _out_of_order(printed: PrintedStability) -> Iterator[str]:
    places = {"mean": printed.mean, "median": printed.median}
    for name, value in places.items():
        if printed.minimum.low > value.high:
            yield f"the minimum is above the {name}"
        if printed.maximum.high < value.low:
            yield f"the maximum is below the {name}"
    if printed.minimum.low > printed.maximum.high:
        yield "the minimum is above the maximum"


def _spread_faults(printed: PrintedStability) -> Iterator[str]:
    count, sd = printed.seeds, printed.sd
    # The largest SD that divides by n which the printed one may stand for, and the smallest.
    most = sd.high
    least = max(sd.low, 0.0) * math.sqrt((count - 1) / count)
    apart = _gap(printed.mean, printed.median)
    if apart > most:
        yield f"mean and median lie {apart:.5f} apart, more than the standard deviation {_centre(sd):.5f} allows"
    reach = math.sqrt(count - 1)
    below, above = (printed.mean, printed.minimum), (printed.maximum, printed.mean)
    sides = (("minimum", "below", *below), ("maximum", "above", *above))
    for name, where, high, low in sides:
        far = high.low - low.high
        if far > most * reach:
            yield (
                f"the {name} lies {far / most:.2f} standard deviations {where} the mean; of {count} values none "
                f"can lie further than {reach:.2f}"
            )
    span = printed.maximum.low - printed.minimum.high
    if span / math.sqrt(2 * count) > most:
        yield (
            f"{count} values from {_centre(printed.minimum):.5f} to {_centre(printed.maximum):.5f} have a standard "
            f"deviation of {span / math.sqrt(2 * count):.5f} at least, not {_centre(sd):.5f}"
        )
    room = _most_spread(printed)
    if least > room:
        yield f"the standard deviation {_centre(sd):.5f} is more than minimum, mean and maximum allow ({room:.5f})"


def _most_spread(printed: PrintedStability) -> float:
    low, high = printed.minimum.low, printed.maximum.high
    # The product is largest midway; the mean that is nearest to it decides.
    mean = min(max((low + high) / 2, printed.mean.low), printed.mean.high)
    return math.sqrt(max(0.0, (high - mean) * (mean - low)))


def _gap(one: Printed, other: Printed) -> float:
    return max(0.0, one.low - other.high, other.low - one.high)


def _centre(value: Printed) -> float:
    return (value.low + value.high) / 2
