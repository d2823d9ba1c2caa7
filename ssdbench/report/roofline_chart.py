"""The roofline of a run: a numbered point for each case under the measured ceilings, and its table."""

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ssdbench.report.numbers import rounded
from ssdbench.report.svg import Plot, Point, Tick
from ssdbench.schema.report import RooflinePicture, RooflinePoint
from ssdbench.schema.text import shorten_list

COLUMNS = ("FLOP/byte", "TFLOP/s per GPU", "MFU", "Of its roof")
_WIDTH, _HEIGHT = 560, 330
_NEAR = (0.04, 0.05)
"""Points within these shares of the axes have one label: their own would cover each other."""
_SAME_LEVEL = 0.02


def roofline_chart(found: RooflinePicture) -> Markup:
    """Both axes are logarithmic: a slope is the memory's limit, a level line that of an arithmetic."""
    matmul = [rate / 1e12 for rate in found.matmul_flop_per_second.values()]
    ridges = [1e12 * rate / found.copy_bytes_per_second for rate in matmul]
    x = _decades([*(point.flop_per_byte for point in found.points), *ridges], 0.3)
    y = _decades([*(point.flop_per_second_per_gpu / 1e12 for point in found.points), *matmul], 0.2)
    plot = Plot(x, y, width=_WIDTH, height=_HEIGHT)
    x_label, y_label = "operations for each byte (FLOP/byte)", "TFLOP/s per GPU or process"
    plot.axes(x_label, y_label, x_ticks=_ticks(x), y_ticks=_ticks(y))
    _draw_ceilings(plot, found, x, y)
    places = [(_log(point.flop_per_byte), _log(point.flop_per_second_per_gpu / 1e12)) for point in found.points]
    plot.named_dots([(*place, point.title, "") for place, point in zip(places, found.points, strict=True)], "candidate")
    for place, numbers in _labels(places, (_NEAR[0] * (x[1] - x[0]), _NEAR[1] * (y[1] - y[0]))):
        plot.beside(place, shorten_list([str(number) for number in numbers], 6), "label")
    return plot.svg("Roofline: arithmetic of each case by its operations for each byte, under the measured ceilings")


def roofline_rows(found: RooflinePicture) -> Iterator[tuple[RooflinePoint, tuple[str, ...]]]:
    """Each case with its cells in the order of `COLUMNS`; a dash for what is not known."""
    for point in found.points:
        shares = ("–" if share is None else f"{rounded(100 * share, 3)}%" for share in (point.mfu, point.share_of_roof))
        yield point, (rounded(point.flop_per_byte, 3), rounded(point.flop_per_second_per_gpu / 1e12, 3), *shares)


def roofline_words(found: RooflinePicture) -> str:
    """The ceilings in words."""
    rates = [f"{name} {rounded(rate / 1e12, 3)} TFLOP/s" for name, rate in found.matmul_flop_per_second.items()]
    copy = rounded(found.copy_bytes_per_second / 1e9, 3)
    return f"matrix multiply {', '.join(rates)}; copy {copy} GB/s, read plus written"


def _labels(places: Sequence[Point], near: Point) -> list[tuple[Point, list[int]]]:
    """The numbers of the points, from 1, each with the first point that it is near to."""
    found: list[tuple[Point, list[int]]] = []
    for number, (x, y) in enumerate(places, start=1):
        together = (kept for (a, b), kept in found if abs(a - x) < near[0] and abs(b - y) < near[1])
        numbers = next(together, None)
        if numbers is None:
            found.append(((x, y), [number]))
        else:
            numbers.append(number)
    return found


def _draw_ceilings(plot: Plot, found: RooflinePicture, x: Point, y: Point) -> None:
    slope = _log(found.copy_bytes_per_second / 1e12)
    levels: list[tuple[float, list[str]]] = []
    for name, rate in sorted(found.matmul_flop_per_second.items(), key=lambda item: -item[1]):
        level = _log(rate / 1e12)
        if levels and levels[-1][0] - level < _SAME_LEVEL:
            levels[-1][1].append(name)
        else:
            levels.append((level, [name]))
    start, end = max(x[0], y[0] - slope), levels[0][0] - slope
    plot.line([(start, start + slope), (end, end + slope)], "baseline thick")
    plot.beside((start, start + slope), "copy", "baseline-text", below=True)
    for level, names in levels:
        plot.line([(level - slope, level), (x[1], level)], "baseline thick")
        plot.beside((x[1], level), ", ".join(names), "baseline-text", before=True)


def _log(value: float) -> float:
    return math.log10(value)


def _decades(values: Sequence[float], margin: float) -> Point:
    """The range of the logarithms, with a margin in decades."""
    logs = [_log(value) for value in values]
    return min(logs) - margin, max(logs) + margin


def _ticks(span: Point) -> list[Tick]:
    """Powers of ten; with twice and five times them where there would be few."""
    factors = (1, 2, 5) if span[1] - span[0] < 2.5 else (1,)
    values = (
        factor * 10.0**power for power in range(math.floor(span[0]), math.ceil(span[1]) + 1) for factor in factors
    )
    return [(_log(value), f"{value:g}") for value in values if span[0] <= _log(value) <= span[1]]
