"""Axes and marks of small charts, as SVG for a page: hundreds per second (docs/decisions/0004-report-charts.md).

Colours are classes of the page's style sheet, so that a chart follows light, dark and print. One unit of a chart is
about one pixel of the page, on a phone as on a desktop, where several charts share a row.
"""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]
Tick = tuple[float, str]

WIDTH, HEIGHT = 360, 210
_TOP, _RIGHT, _BOTTOM, _LEFT = 26, 12, 42, 54


class Plot:
    """One pair of axes; marks are clipped to the area between them.

    `x` and `y` are the ranges of values, in the unit of the labels; an empty range is widened.
    """

    def __init__(self, x: Point, y: Point, *, width: int = WIDTH, height: int = HEIGHT, left: int = _LEFT) -> None:
        self._x, self._y = _widened(x), _widened(y)
        self._width, self._height = width, height
        self._left, self._right = left, width - _RIGHT
        self._top, self._bottom = _TOP, height - _BOTTOM
        self._across = (self._right - self._left) / (self._x[1] - self._x[0])
        self._up = (self._bottom - self._top) / (self._y[1] - self._y[0])
        self._frame: list[str] = []
        self._marks: list[str] = []

    def axes(
        self,
        x_label: str,
        y_label: str,
        *,
        x_ticks: Sequence[Tick] | None = None,
        y_ticks: Sequence[Tick] | None = None,
    ) -> None:
        """Grid, ticks and labels; ticks are round numbers unless given as (value, text)."""
        for value, text in ticks(*self._y, most=5) if y_ticks is None else y_ticks:
            y = self._at_y(value)
            self._frame.append(f'<path class="grid" d="M{self._left} {y:.1f}H{self._right}"/>')
            self._frame.append(_text(self._left - 6, y + 4, text, "end"))
        for value, text in ticks(*self._x, most=6) if x_ticks is None else x_ticks:
            x = self._at_x(value)
            self._frame.append(f'<path class="tick" d="M{x:.1f} {self._bottom}v4"/>')
            self._frame.append(_text(x, self._bottom + 17, text, _anchor(x, text, self._width)))
        self._frame.append(f'<path class="axis" d="M{self._left} {self._bottom}H{self._right}"/>')
        self._frame.append(_text(self._right, self._height - 6, x_label, "end", "label"))
        self._frame.append(_text(2, 13, y_label, "start", "label"))

    def line(self, points: Iterable[Point], style: str) -> None:
        """A line through the points in the given order."""
        # Most of a report's time goes here: two multiplications a point, no calls.
        left, across, low, up = self._left, self._across, self._bottom, self._up
        (x_low, _), (y_low, _) = self._x, self._y
        path = "L".join([f"{left + (x - x_low) * across:.1f} {low - (y - y_low) * up:.1f}" for x, y in points])
        if path:
            self._marks.append(f'<path class="line {style}" d="M{path}"/>')

    def dots(self, points: Iterable[Point], style: str) -> None:
        """A round dot at each point."""
        path = "".join(f"M{self._at_x(x):.1f} {self._at_y(y):.1f}h0" for x, y in points)
        if path:
            self._marks.append(f'<path class="dots {style}" d="{path}"/>')

    def named_dots(self, dots: Iterable[tuple[float, float, str, str]], style: str) -> None:
        """A dot for each (x, y, text, address): the text is its tooltip, and it links to the address, if not empty."""
        for x, y, text, address in dots:
            place = f'cx="{self._at_x(x):.1f}" cy="{self._at_y(y):.1f}"'
            dot = f'<circle class="dot {style}" {place} r="3"><title>{escape(text)}</title></circle>'
            self._marks.append(f'<a href="{escape(address)}">{dot}</a>' if address else dot)

    def whiskers(self, ranges: Iterable[tuple[float, float, float]], style: str) -> None:
        """A vertical line at x from low to high, for each (x, low, high)."""
        path = "".join(f"M{self._at_x(x):.1f} {self._at_y(low):.1f}V{self._at_y(high):.1f}" for x, low, high in ranges)
        if path:
            self._marks.append(f'<path class="line {style}" d="{path}"/>')

    def across(self, y: float, x: Point, style: str) -> None:
        """A horizontal line at y, over a range of x."""
        self._marks.append(
            f'<path class="line {style}" d="M{self._at_x(x[0]):.1f} {self._at_y(y):.1f}H{self._at_x(x[1]):.1f}"/>'
        )

    def upright(self, x: float, y: Point, style: str) -> None:
        """A vertical line at x, over a range of y."""
        self._marks.append(
            f'<path class="line {style}" d="M{self._at_x(x):.1f} {self._at_y(y[0]):.1f}V{self._at_y(y[1]):.1f}"/>'
        )

    def arrow(self, point: Point, style: str, *, to_right: bool) -> None:
        """The head of a horizontal arrow with its tip at the point."""
        way = 6 if to_right else -6
        tip_x, tip_y = self._at_x(point[0]), self._at_y(point[1])
        self._marks.append(
            f'<path class="line {style} thick" d="M{tip_x - way:.1f} {tip_y - 6:.1f}l{way} 6l{-way} 6"/>'
        )

    def band(self, x: Point, style: str) -> None:
        """A shaded area between two values of x, below all marks."""
        start, end = (min(max(self._at_x(value), self._left), self._right) for value in x)
        height = self._bottom - self._top
        self._frame.append(
            f'<rect class="{style}" x="{start:.1f}" y="{self._top}" width="{end - start:.1f}" height="{height}"/>'
        )

    def note(self, x: float, text: str, style: str, line: int = 0) -> None:
        """Text at the top of the area, next to x; `line` counts from the top."""
        at = self._at_x(x)
        right = at > (self._left + self._right) / 2
        self._marks.append(
            _text(at + (-4 if right else 4), self._top + 11 + 13 * line, text, "end" if right else "start", style)
        )

    def beside(self, point: Point, text: str, style: str, *, before: bool = False, below: bool = False) -> None:
        """Text above or below a point, that begins at it, or with `before` ends there."""
        x, y = self._at_x(point[0]) + (-4 if before else 5), self._at_y(point[1]) + (15 if below else -5)
        self._marks.append(_text(x, y, text, "end" if before else "start", style))

    def words(self, y: float, text: str, style: str) -> None:
        """Text at the left of the area, at y."""
        self._marks.append(_text(self._left + 4, self._at_y(y), text, "start", style))

    def svg(self, title: str) -> Markup:
        """The chart; `title` is its text alternative."""
        # A nested svg clips without an id, which would have to be unique on the page.
        inner = "".join(self._marks)
        width, height = self._right - self._left + 12, self._bottom - self._top + 6
        x, y = self._left - 6, self._top - 3
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self._width} {self._height}" role="img" aria-label="{escape(title)}">'
            f"{''.join(self._frame)}"
            f'<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{x} {y} {width} {height}">{inner}</svg>'
            "</svg>"
        )

    def _at_x(self, value: float) -> float:
        return self._left + (value - self._x[0]) * self._across

    def _at_y(self, value: float) -> float:
        return self._bottom - (value - self._y[0]) * self._up


def ticks(low: float, high: float, most: int) -> list[Tick]:
    """Up to about `most` round values (steps of 1, 2 or 5 times a power of ten) within the range, with their texts."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.{decimals}f}") for number in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.08) -> Point:
    """The range of the values, widened at both ends by `share` of its length."""
    found = list(values)
    low, high = min(found), max(found)
    reach = share * (high - low)
    return low - reach, high + reach


def _widened(values: Point) -> Point:
    low, high = values
    if high - low > 1e-9 * max(abs(low), abs(high)) and high > low:
        return low, high
    reach = 0.01 * abs(low) or 1.0
    return low - reach, high + reach


def _anchor(x: float, text: str, width: float) -> str:
    # A label at the edge stays within the picture: at a font size of 12 a letter is about 7.4 wide.
    return "end" if x + 3.7 * len(text) > width else "middle"


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}"{where}>{escape(text)}</text>'
