"""What a run of pairs says as it goes, where no one watches a display (a CI log)."""

from pathlib import Path
from typing import Any

import pytest

from ssdbench.analysis.verdicts.interim import InterimState
from ssdbench.cli.progress import run_progress
from ssdbench.harness.forecast import Forecast
from ssdbench.schema.case import Protocol
from tests.builders import a_case, a_header
from tests.cli.running import ssdbench

A = a_case()


def test_each_news_of_a_case_is_one_line_and_what_is_left_follows(capsys: pytest.CaptureFixture[str]):
    seen = [
        InterimState(said={}, cases_left=2, most_pairs=66),
        InterimState(said={A.key: "decided, unchanged (the same)"}, cases_left=1, most_pairs=30),
        InterimState(said={A.key: "decided, unchanged (the same)"}, cases_left=1, most_pairs=29),
    ]
    look = iter(seen)
    prediction = Forecast(launch_seconds={A.key: 1.0}, guessed=frozenset())
    with run_progress(a_header(), prediction, look_out=lambda records: next(look)) as watch:
        for _ in seen:
            watch.round_finished(())
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{A.title}: decided, unchanged (the same)",
        "1 case left, at most 30 more pairs",
    ]


def test_how_many_steps_a_launch_has_is_shown_as_soon_as_it_is_known():
    def total(watch: Any) -> float | None:
        return watch.display.tasks[-1].total

    in_seconds = a_case(protocol=Protocol(warmup_steps=2, steps=10, warmup_seconds=3.0, timed_seconds=5.0))
    prediction = Forecast(launch_seconds={A.key: 1.0}, guessed=frozenset())
    with run_progress(a_header(), prediction) as watch:
        watch.launch_started(A, "launch 1")
        assert total(watch) == 12
        watch.launch_started(in_seconds, "launch 2")
        assert total(watch) is None
        watch.event({"event": "steps", "warmup_steps": 30, "timed_steps": 55})
        assert total(watch) == 85


def test_a_plan_shows_least_steps_and_least_seconds(tmp_path: Path):
    grid = ("--workload", "pace", "--device", "cpu", "--results", tmp_path)
    steps = ssdbench("plan", *grid, "--warmup", "20", "--steps", "60")
    assert "20 + 60 " in steps.words
    seconds = ssdbench("plan", *grid, "--warmup-seconds", "3", "--timed-seconds", "5", columns=200)
    assert "10 + 60, 3 + 5 s" in seconds.words
    assert "s; 1 guessed (~)" in seconds.words


def test_seconds_that_cannot_be_are_refused_in_a_sentence(tmp_path: Path):
    wrong = ssdbench("plan", "--workload", "pace", "--timed-seconds", "-1", "--results", tmp_path)
    assert (wrong.code, "key 'protocol.timed_seconds'" in wrong.err) == (2, True)
