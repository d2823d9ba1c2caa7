"""The roofline of a report: its lines, its points, their numbers, and the table beside it."""

import re

import pytest

from ssdbench.report.roofline_chart import roofline_chart, roofline_rows, roofline_words
from ssdbench.schema.report import RooflinePicture, RooflinePoint


def a_point(
    intensity: float = 40.0, rate: float = 1e12, title: str = "train", mfu: float | None = 0.5
) -> RooflinePoint:
    return RooflinePoint(
        title=title, case_key=title, flop_per_byte=intensity, flop_per_second_per_gpu=rate, mfu=mfu, share_of_roof=mfu
    )


def picture(*points: RooflinePoint, **matmul: float) -> RooflinePicture:
    return RooflinePicture(points=points, matmul_flop_per_second=matmul or {"fp32": 2e12}, copy_bytes_per_second=25e9)


def labels(chart: str) -> list[str]:
    return re.findall(r'<text class="label" x="[^"]*" y="[^"]*">([^<]*)</text>', chart)


def centres(chart: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)]


def test_points_that_would_cover_each_other_share_a_label() -> None:
    chart = roofline_chart(picture(a_point(), a_point(41.0), a_point(4.0, 1e10)))
    assert labels(chart)[-2:] == ["1, 2", "3"]
    assert len(centres(chart)) == 3


def test_a_point_on_the_roof_lies_on_its_line() -> None:
    """40 FLOP/byte at 25 GB/s are 1 TFLOP/s; the ridge of 2 TFLOP/s is at 80."""
    chart = roofline_chart(picture(a_point(40.0, 1e12), a_point(80.0, 2e12)))
    (slope, level) = re.findall(r'class="line baseline thick" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', chart)
    x1, y1, x2, y2 = map(float, slope)
    (x, y), ridge = centres(chart)
    assert y == pytest.approx(y1 + (y2 - y1) * (x - x1) / (x2 - x1), abs=0.5)
    assert ridge == pytest.approx((x2, y2), abs=0.5)
    assert ridge == pytest.approx((float(level[0]), float(level[1])), abs=0.5)


def test_equal_levels_have_one_line_with_both_names() -> None:
    chart = roofline_chart(picture(a_point(), fp16=8.06e14, bf16=8.1e14, tf32=4e14))
    assert "bf16, fp16</text>" in chart
    assert chart.count('class="line baseline thick"') == 3


def test_names_are_text_and_no_markup() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    chart = roofline_chart(picture(a_point(title=hostile)))
    assert "<img" not in chart
    assert "&lt;img" in chart


def test_the_table_has_the_figures_and_a_dash_for_what_is_not_known() -> None:
    rows = list(roofline_rows(picture(a_point(), a_point(mfu=None))))
    assert [cells for _, cells in rows] == [("40.0", "1.00", "50.0%", "50.0%"), ("40.0", "1.00", "–", "–")]
    assert roofline_words(picture(a_point())) == "matrix multiply fp32 2.00 TFLOP/s; copy 25.0 GB/s, read plus written"
