"""What a run of pairs says as it goes, where no one watches a display (a CI log)."""

import pytest

from ssdbench.analysis.outlook import Outlook
from ssdbench.cli.progress import run_progress
from ssdbench.harness.forecast import Forecast
from tests.builders import a_case, a_header

A = a_case()


def test_each_news_of_a_case_is_one_line_and_what_is_left_follows(capsys: pytest.CaptureFixture[str]):
    seen = [
        Outlook(said={}, cases_left=2, most_pairs=66),
        Outlook(said={A.key: "decided, unchanged (the same)"}, cases_left=1, most_pairs=30),
        Outlook(said={A.key: "decided, unchanged (the same)"}, cases_left=1, most_pairs=29),
    ]
    look = iter(seen)
    prediction = Forecast(launch_seconds={A.key: 1.0}, guessed=frozenset())
    with run_progress(a_header(), prediction, look_out=lambda records: next(look)) as watch:
        for _ in seen:
            watch.round_ended(())
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{A.title}: decided, unchanged (the same)",
        "1 case left, at most 30 more pairs",
    ]
