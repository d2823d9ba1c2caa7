import pytest

from ssdbench.report.numbers import fixed, supported_decimals


@pytest.mark.parametrize(
    ("value", "half_width", "text"),
    [
        (364.27, 3.2, "364"),
        (364.27, 1.3, "364.3"),
        (364.27, 0.13, "364.27"),
        (5252.84, 40.0, "5250"),
        (5252.84, 1900.0, "5300"),
        (0.26795, 0.0012, "0.2680"),
        (0.26795, 0.0027, "0.268"),
        (364.27, None, "364"),
        (0.0271, None, "0.0271"),
        (364.2744, 0.0, "364.27"),
        (0.0, 0.0, "0.0000"),
        (3.0, 50.0, "0"),
    ],
)
def test_the_last_digit_has_the_place_of_the_first_uncertain_one(value: float, half_width: float | None, text: str):
    assert fixed(value, supported_decimals(value, half_width)) == text
