import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.report.numbers import (
    change_text,
    interval_text,
    interval_words,
    rounded,
    shown_unit,
    significant_digits,
    value_text,
)
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict


def a_verdict(change: float | None, low: float | None, high: float | None) -> Verdict:
    return Verdict(
        status=Status.UNCHANGED,
        metric="throughput",
        sentence="",
        settings=Settings(margin=0.05),
        change=change,
        low=low,
        high=high,
    )


@pytest.mark.parametrize(
    ("spread", "digits"), [(None, 3), (math.inf, 3), (0.0, 5), (0.3, 2), (0.03, 3), (0.003, 4), (0.0003, 5), (1e-9, 5)]
)
def test_a_wider_spread_leaves_fewer_digits(spread: float | None, digits: int):
    assert significant_digits(spread) == digits


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (20.1234, 3, "20.1"),
        (1234.5, 3, "1230"),
        (1234567.0, 2, "1200000"),
        (0.0012345, 3, "0.00123"),
        (9.996, 3, "10.00"),
        (0.0, 3, "0"),
        (math.nan, 3, "nan"),
    ],
)
def test_values_are_rounded_and_never_shown_in_powers_of_ten(value: float, digits: int, text: str):
    assert rounded(value, digits) == text


@given(st.floats(1e-9, 1e12), st.integers(2, 5))
def test_rounding_moves_a_value_by_less_than_its_last_digit(value: float, digits: int):
    assert float(rounded(value, digits)) == pytest.approx(value, rel=10.0 ** (1 - digits))


def test_times_are_shown_in_milliseconds_and_memory_in_gibibytes():
    assert (value_text(METRICS["latency_p50"], 0.0125, 3), shown_unit(METRICS["latency_p50"])) == ("12.5", "ms")
    assert (value_text(METRICS["peak_memory"], 2.0**31, 3), shown_unit(METRICS["peak_memory"])) == ("2.00", "GiB")
    assert (value_text(METRICS["throughput"], 812.9, 3), shown_unit(METRICS["throughput"])) == ("813", "images/s")


def test_a_change_has_its_sign_and_no_more_decimals_than_its_bounds_support():
    assert change_text(a_verdict(-0.1234, -0.14, -0.11)) == "-12.3%"
    assert interval_text(a_verdict(-0.1234, -0.14, -0.11)) == "-14.0..-11.0"
    assert change_text(a_verdict(0.1234, -0.2, 0.4)) == "+12%"
    assert change_text(a_verdict(0.0, -1e-4, 1e-4)) == "0.00%"
    assert change_text(a_verdict(0.5, None, None)) == "+50.0%"
    assert change_text(a_verdict(None, None, None)) == ""
    assert interval_text(a_verdict(0.5, None, None)) == ""


LOG_RATIOS = st.floats(-700, 700)


@given(LOG_RATIOS, LOG_RATIOS, LOG_RATIOS)
def test_no_change_or_interval_has_a_number_that_nobody_can_use(first: float, second: float, third: float):
    low, change, high = sorted(math.expm1(value) for value in (first, second, third))
    verdict = a_verdict(change, low, high)
    for text in (change_text(verdict), interval_text(verdict), interval_words(verdict)):
        numbers = [abs(float(number)) for number in re.findall(r"\d+(?:\.\d+)?", text)]
        assert numbers
        assert max(numbers) <= 1000, text
        assert "e+" not in text


def test_an_interval_that_says_nothing_ends_at_more_than_a_hundred():
    noisy = a_verdict(0.1, -0.91, 8.3)
    assert interval_text(noisy) == "-91..>+100"
    assert interval_words(noisy) == "-91% to more than +100%"
