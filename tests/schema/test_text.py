"""Small pieces of text, the same everywhere."""

import math

import pytest

from ssdbench.schema.text import interval, percent, pluralize, shorten_list


def test_counts_have_their_plural():
    assert [pluralize(count, "case") for count in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert pluralize(2, "launch", "launches") == "2 launches"


def test_a_long_list_says_how_many_more_there_are():
    assert shorten_list(["a", "b", "c"], 3) == "a, b, c"
    assert shorten_list(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"


def test_a_change_has_a_sign_where_asked_and_zero_never_has():
    assert [percent(change, sign="+") for change in (0.0123, -0.0123, 4e-5, -4e-5)] == [
        "+1.2%",
        "-1.2%",
        "0.0%",
        "0.0%",
    ]
    assert percent(0.0123, 2) == "1.23%"
    assert percent(0.0512, 0) == "5%"


@pytest.mark.parametrize("change", [10.01, 68038.27, 1e300, math.inf])
def test_a_change_that_nobody_can_use_is_more_than_the_largest(change: float):
    assert percent(change, sign="+") == ">+1000%"
    assert percent(change) == ">1000%"


def test_an_interval_keeps_its_ends_where_they_say_something():
    assert interval(-0.005, 0.012) == ("-0.5%", "+1.2%")
    assert interval(1.48, 1.52, 0) == ("+148%", "+152%"), "a doubled latency is a figure"
    assert interval(2.0, 9.0, 0) == ("+200%", "+900%"), "and a lower end far from zero"


@pytest.mark.parametrize(("low", "high"), [(-0.91, 8.3), (-1.0, 68038.27), (-1.0, math.inf)])
def test_an_interval_that_decides_nothing_has_no_end_beyond_a_hundred(low: float, high: float):
    assert interval(low, high, 0)[1] == ">+100%"
