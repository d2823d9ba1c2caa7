"""A large effect of the order within pairs, in what CI systems read."""

from dataclasses import replace
from types import ModuleType

import pytest

from ssdbench.errors import ExitCode
from ssdbench.report.ci import github_annotations, github_summary, junit, line
from ssdbench.schema.verdict import OrderEffect, Status
from tests.report.test_ci import a_comparison, a_verdict

SENTENCE = "the second launch of a pair is 1.2% slower than the first"
LARGE = OrderEffect(slower=0.012, low=0.011, high=0.013, pairs=30, cases=3, sentence=SENTENCE)


@pytest.mark.parametrize("form", [github_annotations, github_summary, junit, line])
def test_a_large_effect_is_said_and_a_small_one_is_not(form: ModuleType) -> None:
    comparison = replace(a_comparison(a_verdict(Status.UNCHANGED)), order_effect=LARGE)
    assert f"order within pairs: {SENTENCE}".replace("%", "%25" if form is github_annotations else "%") in form.render(
        comparison, ExitCode.OK
    )
    small = replace(comparison, order_effect=replace(LARGE, sentence=""))
    assert "order within pairs" not in form.render(small, ExitCode.OK)


def test_github_shows_it_as_a_warning() -> None:
    comparison = replace(a_comparison(a_verdict(Status.UNCHANGED)), order_effect=LARGE)
    assert "::warning title=pairs::order within pairs: " in github_annotations.render(comparison, ExitCode.OK)
