import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from ssdbench.report.case_charts import (
    launches_chart,
    phases_chart,
    throttled_sides,
    trace_chart,
)
from ssdbench.report.change_charts import forest_reach, forest_row, interval_chart
from ssdbench.report.svg import Plot, padded, ticks
from ssdbench.schema.report import LaunchValue, PhasePair, StepTrace
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (0.99, 1.01, ["0.990", "0.995", "1.000", "1.005", "1.010"]),
        (-3, 3, ["-2", "0", "2"]),
        (12_300, 12_900, ["12400", "12600", "12800"]),
    ],
)
def test_ticks_are_round_and_within_the_range(low: float, high: float, texts: list[str]):
    assert [text for _, text in ticks(low, high, most=5)] == texts


def test_a_value_is_where_its_axis_says():
    plot = Plot((0, 10), (0, 1), width=360, height=210)
    plot.dots([(0, 0), (10, 1), (5, 0.5)], "candidate")
    assert 'd="M54.0 168.0h0M348.0 26.0h0M201.0 97.0h0"' in plot.svg("three points")


def test_lines_and_dots_agree_and_a_range_of_no_length_is_widened():
    plot = Plot((3, 3), (7, 7))
    plot.dots([(3, 7)], "candidate")
    plot.line([(3, 7), (3, 7)], "candidate")
    assert plot.svg("one point").count("201.0 97.0") == 3
    assert padded([1.0, 2.0], 0.1) == pytest.approx((0.9, 2.1))


def test_text_in_a_chart_is_escaped():
    plot = Plot((0, 1), (0, 1))
    plot.axes('"><script>', "<b>&", x_ticks=[(0, "<i>")])
    picture = ElementTree.fromstring(plot.svg('"onload="x'))
    assert picture.get("aria-label") == '"onload="x'
    assert {element.tag for element in picture.iter()} <= {"svg", "path", "text"}
    assert {"<i>", "<b>&", '"><script>'} <= {element.text for element in picture.iter("text")}


def a_verdict(low: float, high: float) -> Verdict:
    middle = (low + high) / 2
    return Verdict(
        status=Status.REGRESSED,
        metric="throughput",
        sentence="",
        settings=Settings(),
        change=middle,
        low=low,
        high=high,
    )


def test_intervals_beyond_the_scale_are_cut_at_its_end():
    assert forest_reach([a_verdict(-0.123, -0.05)]) == pytest.approx(0.13)
    assert forest_reach([a_verdict(-5.0, 5.0)]) == pytest.approx(0.3)
    assert forest_reach([]) == pytest.approx(0.02)
    assert 'd="M4.0 11.0H128.0"' in str(forest_row(a_verdict(-5.0, 5.0), 0.3, "bad"))


def test_without_an_interval_there_is_no_chart_of_it():
    unknown = Verdict(status=Status.NOT_RUN, metric="throughput", sentence="", settings=Settings())
    assert interval_chart(unknown) is None
    assert forest_row(unknown, 0.1, "gap") is None
    assert trace_chart([]) is None


def test_every_launch_is_a_dot_on_its_own_side():
    launches = [
        LaunchValue(side=side, value=v, stage="measure")
        for side in ("baseline", "candidate")
        for v in (10.0, 11.0, 12.0)
    ]
    picture = str(launches_chart("throughput", launches))
    for side in ("baseline", "candidate"):
        (path,) = re.findall(rf'class="dots {side}" d="([^"]*)"', picture)
        assert path.count("h0") == 3
    assert "candidate: none" in str(launches_chart("throughput", launches[:3]))


def test_a_warm_up_that_is_slow_does_not_flatten_the_timed_steps():
    slow_start = StepTrace(side="candidate", warmup_steps=1, steps=((0, 60.0), (1, 0.100), (2, 0.102)), fetches=())
    shown = [float(text) for text in re.findall(r'text-anchor="end">([\d.]+)</text>', str(trace_chart([slow_start])))]
    assert max(shown) < 103


def test_throttled_steps_are_tinted_and_the_legend_says_on_which_side_and_why():
    quiet = StepTrace(side="baseline", warmup_steps=0, steps=((0, 0.1), (10, 0.1)), fetches=())
    capped = replace(quiet, side="candidate", throttled=((2, 4),), throttle_reasons="power cap")
    assert throttled_sides([quiet, capped]) == "power cap (candidate)"
    assert throttled_sides([quiet]) == ""
    # Ten steps are 294 wide from 54 on: the band goes from step 1.5 to step 4.5.
    assert '<rect class="throttled" x="98.1" y="26" width="88.2"' in str(trace_chart([quiet, capped]))
    assert "throttled" not in str(trace_chart([quiet]))


def test_a_phase_has_a_bar_on_each_side_that_knows_it():
    both = PhasePair(name="backward", baseline=0.050, candidate=0.100)
    picture = str(phases_chart([both, PhasePair(name="<new>", baseline=None, candidate=0.010)]))
    ends = {
        side: [float(x) for x in re.findall(rf'class="line {side} bar" d="M104.0 [\d.]+H([\d.]+)"', picture)]
        for side in ("baseline", "candidate")
    }
    assert [len(ends["baseline"]), len(ends["candidate"])] == [1, 2]
    assert ends["candidate"][0] - 104 == pytest.approx(2 * (ends["baseline"][0] - 104), abs=0.2)
    assert "&lt;new&gt;" in picture
    assert phases_chart([both]) is None
    assert phases_chart([]) is None


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow_and_the_axis_stays():
    noisy = replace(a_verdict(-0.91, 8.30), change=-0.04)
    picture = str(interval_chart(noisy))
    shown = [float(text) for text in re.findall(r'text-anchor="(?:middle|end)">(-?\d+)</text>', picture)]
    assert max(map(abs, shown)) <= 33, "the margin would be invisible on an axis to 830%"
    assert picture.count("l6 6l-6 6") == 1, "an arrow to the right"
    assert picture.count("l-6 6l6 6") == 1, "and one to the left"
    assert 'aria-label="Change -4%, interval -91% to more than +100%"' in picture
    assert "l6 6" not in str(interval_chart(a_verdict(1.48, 1.52))), "a doubled latency is on the axis"


def test_in_the_table_an_interval_beyond_the_scale_ends_in_an_arrow_without_a_dot_where_there_is_no_value():
    row = str(forest_row(a_verdict(0.2, 0.8), 0.3, "bad"))
    assert "l5 5l-5 5" in row
    assert "l-5 5l5 5" not in row
    assert "dots" not in row, "the change of +50% is not on the scale"
    assert "dots" in str(forest_row(a_verdict(0.1, 0.2), 0.3, "bad"))


def test_a_change_without_an_interval_is_a_dot_on_the_scale_of_all():
    dot = replace(a_verdict(0.0, 0.0), change=-0.05, low=None, high=None)
    assert forest_reach([dot]) == pytest.approx(0.05)
    row = str(forest_row(dot, 0.1, "open"))
    assert "M35.0 11.0h0" in row
    assert "thick" not in row
    assert interval_chart(dot) is None
    beyond = str(forest_row(replace(dot, change=-0.5), 0.3, "open"))
    assert "dots" not in beyond
    assert beyond.count("thick") == 1  # the arrow
