import math

import pytest

from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.wording import inconclusive_text, needed_text
from ssdbench.schema.launch_values import Arms, CaseLaunches
from ssdbench.schema.settings import Settings
from tests.analysis.verdicts.launch_values import THROUGHPUT


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        (1, "about 1 pair"),
        (1000, "about 1000 pairs"),
        (1001, "more than 1,000 pairs"),
        (30252, "more than 1,000 pairs"),
        (None, "more than 1,000 pairs"),
    ],
)
def test_a_number_of_pairs_that_nobody_measures_is_not_given(needed: int | None, expected: str) -> None:
    assert needed_text(needed) == expected


@pytest.mark.parametrize(
    ("detectable", "expected"),
    [
        (0.023, "a change under 2.3% can go unnoticed"),
        (1.0, "a change under 100.0% can go unnoticed"),
        (4.517, "even a change of 100% can go unnoticed"),
        (math.inf, "even a change of 100% can go unnoticed"),
    ],
)
def test_a_detectable_change_that_nobody_can_use_is_not_given(detectable: float, expected: str) -> None:
    assert expected in inconclusive_text(Settings(), math.log1p(detectable), 12)


def test_the_sentence_of_a_hopelessly_noisy_case_has_only_numbers_that_can_be_used() -> None:
    arms = Arms(baseline=(1.0, 900.0, 20.0), candidate=(700.0, 3.0, 5000.0))
    (verdict,) = judge({"case": CaseLaunches(metric=THROUGHPUT, measure=arms)}, Settings()).values()
    assert verdict.high is not None
    assert verdict.high > 100
    assert verdict.launches_needed is None or verdict.launches_needed > 1000
    numbers = [float(word.strip(">+-%(),;:").replace(",", "") or 0) for word in verdict.sentence.split() if "%" in word]
    assert numbers
    assert max(numbers) <= 1000
    assert "to >+100%" in verdict.sentence
    assert "more than 1,000 pairs would decide on 1%" in verdict.sentence
