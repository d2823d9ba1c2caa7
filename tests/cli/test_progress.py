"""What a run of pairs says as it goes, where no one watches a display (a CI log)."""

import io
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from ssdbench.analysis.verdicts.interim import InterimState, OpenCase
from ssdbench.cli import progress, training_progress
from ssdbench.cli.printing import Terminal
from ssdbench.cli.progress import TerminalDisplay, run_progress
from ssdbench.cli.time_left import TimeLeft, range_text
from ssdbench.cli.training_progress import TrainingDisplay
from ssdbench.harness.forecast import Forecast
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import Protocol
from ssdbench.workflows.measuring import BegunRun
from tests.builders import a_case, a_header, a_record, a_run
from tests.cli.running import ssdbench
from tests.trainings import CASE, a_training_run, some_seeds

A = a_case()


def a_setup() -> RunSetup:
    header = a_header()
    machine = Machine(hardware=header.hardware, host=header.host, cpu_has_bf16=True, no_gpu_reason=None)
    worker = WorkerPython(executable="python", version="3.11", packages={}, has_cpp_compiler=True)
    return RunSetup(machine=machine, worker=worker, plan=header.plan, options=header.options, settings=header.settings)


def test_each_news_of_a_case_is_one_line_and_what_is_left_follows(capsys: pytest.CaptureFixture[str]):
    decided = {A.key: "decided, unchanged (the same)"}
    seen = [
        InterimState(said={}, open={key: OpenCase(asked=3, least=3, most=33) for key in (A.key, "b")}),
        InterimState(said=decided, open={"b": OpenCase(asked=2, least=2, most=30)}),
        InterimState(said=decided, open={"b": OpenCase(asked=1, least=1, most=29)}),
    ]
    look = iter(seen)
    prediction = Forecast(launch_seconds={A.key: 1.0}, guessed=frozenset())
    with run_progress(a_header(), prediction, "", look_out=lambda records: next(look)) as watch:
        for _ in seen:
            watch.round_finished(())
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{A.title}: decided, unchanged (the same)",
        "1 case left, 2 to 30 more pairs",
    ]


def test_how_many_steps_a_launch_has_is_shown_as_soon_as_it_is_known():
    def total(watch: Any) -> float | None:
        return watch.display.tasks[-1].total

    in_seconds = a_case(protocol=Protocol(warmup_steps=2, steps=10, warmup_seconds=3.0, timed_seconds=5.0))
    prediction = Forecast(launch_seconds={A.key: 1.0}, guessed=frozenset())
    with run_progress(a_header(), prediction, "") as watch:
        watch.launch_started(A, "launch 1")
        assert total(watch) == 12
        watch.launch_started(in_seconds, "launch 2")
        assert total(watch) is None
        watch.event("launch 2", {"event": "steps", "warmup_steps": 30, "timed_steps": 55})
        assert total(watch) == 85


def lines_at(columns: int, display: Any) -> list[str]:
    """What a live display shows in a terminal of this width."""
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, record=True)
    console.print(display.get_renderable())
    return console.export_text().splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def console(*, stderr: bool = False) -> Console:
        found = Terminal(stderr=stderr)
        found.file, found._force_terminal, found.width = io.StringIO(), True, 80
        return found

    monkeypatch.setattr(progress, "Terminal", console)
    monkeypatch.setattr(training_progress, "Terminal", console)


def test_80_columns_have_a_bar_the_count_and_the_time_left_as_a_range(terminal: None):
    long = a_case(options={"a_long_option": "with a long value", "another": 12345})
    prediction = Forecast(launch_seconds={long.key: 100.0}, guessed=frozenset({long.key}))
    with run_progress(a_header(cases=[long]), prediction, "", 1) as watch:
        watch.remaining_changed([long.key, long.key])
        watch.launch_started(long, "launch 1")
        watch.event("launch 1", {"event": "step", "step": 2, "seconds": 1.0})
        watch.event("launch 1", {"event": "step", "step": 3, "seconds": 1.1})
        run, launch = lines_at(80, watch.display)  # type: ignore[attr-defined]
        assert run.startswith("launches ")
        assert run.rstrip().endswith("1 of 3 · 1 to 9 min left")
        assert launch.startswith("train resnet18")
        assert launch.rstrip().endswith("step 4 of 12 · 20 images/s")
        assert all("━" in line and len(line) <= 80 for line in (run, launch))
        watch.launch_finished(a_record(case=long, launch_seconds=60.0), "launch 1")
        assert "2 of 3 · 45 to 75 s left" in lines_at(80, watch.display)[0]  # type: ignore[attr-defined]
        watch.remaining_changed([])


def test_80_columns_have_the_seed_and_the_time_that_all_seeds_take(terminal: None):
    with training_progress.training_progress(a_training_run(some_seeds(3)).header, "--resume") as watch:
        watch.remaining_changed([CASE.key] * 3)
        watch.launch_started(CASE, "seed 1")
        watch.event("seed 1", {"event": "training", "epochs": 10, "steps": 100})
        for step in (0, 499):
            watch.event("seed 1", {"event": "step", "step": step, "seconds": 0.1 * step})
        run, seed = lines_at(80, watch.display)  # type: ignore[attr-defined]
        assert run.rstrip().endswith("0 of 3 seeds · 3 to 7 min left")  # 2.5 seeds of 100 s, and the evaluations
        assert seed.rstrip().endswith("epoch 5 of 10, step 100 of 100")
        assert all("━" in line and len(line) <= 80 for line in (run, seed))
        watch.remaining_changed([])


def test_a_log_has_the_prediction_and_the_count_in_lines(capsys: pytest.CaptureFixture[str]):
    prediction = Forecast(launch_seconds={A.key: 100.0}, guessed=frozenset())
    with run_progress(a_header(), prediction, "") as watch:
        watch.remaining_changed([A.key, A.key])
        watch.launch_finished(a_record(launch_seconds=90.0), "launch 1")
        watch.launch_finished(a_record(launch_seconds=99.0), "launch 2")
    _, first, second, third = capsys.readouterr().out.splitlines()
    assert first == "2 launches of 1 case, predicted 2 to 5 min"
    assert second.endswith("launch 1  1 min 30 s · 1/2 · 1 to 2 min left")
    assert third.endswith("launch 2  1 min 39 s · 2/2")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (41, 58, "40 to 60 s"),
        (0, 0.1, "0 to 5 s"),
        (30, 200, "30 s to 4 min"),
        (130, 299, "2 to 5 min"),
        (240, 240, "4 min"),
        (7_900, 10_000, "2 h 10 min to 2 h 50 min"),
        (7_200, 7_200, "2 h"),
    ],
)
def test_a_range_of_time_is_rounded_outwards(low: float, high: float, text: str):
    assert range_text(low, high) == text


def test_a_guess_is_corrected_by_the_launches_that_have_ended():
    time = TimeLeft(Forecast(launch_seconds={"a": 10.0, "b": 10.0, "c": 100.0}, guessed=frozenset("abc")))
    assert time.range({"c": 1}, {"c": 1}) == (40.0, 250.0)
    time.ended("a", 20.0)
    time.ended("b", 30.0)
    assert time.range({"c": 1}, {"c": 1}) == pytest.approx((160.0, 375.0))
    assert time.range({"a": 2}, {"a": 2}) == pytest.approx((32.0, 50.0))
    assert time.range({"a": 2}, {"a": 4, "c": 1}) == pytest.approx((32.0, 475.0))


def test_a_run_says_how_it_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    begun = BegunRun(setup=a_setup(), store=FileStore(tmp_path), run=a_run(), data=None, lock=Mock())
    for display, command in (
        (TerminalDisplay(" --results there"), "`ssdbench run --resume --run run-1 --results there`"),
        (TerminalDisplay(continue_with="the same command"), "the same command"),  # a bisection
        (TrainingDisplay(), "`ssdbench converge --resume --run run-1`"),
    ):
        with display.launches(begun) as watch:
            watch.remaining_changed([A.key])
        last = capsys.readouterr().out.splitlines()[-1]
        assert last.startswith(("1 launch not measured; continue with ", "1 seed not finished; continue with "))
        assert last.endswith(command)


def test_a_plan_shows_least_steps_and_least_seconds(tmp_path: Path):
    grid = ("--workload", "pace", "--device", "cpu", "--results", tmp_path)
    steps = ssdbench("plan", *grid, "--warmup", "20", "--steps", "60")
    assert "20 + 60 " in steps.words
    seconds = ssdbench("plan", *grid, "--warmup-seconds", "3", "--timed-seconds", "5", columns=200)
    assert "10 + 60, 3 + 5 s" in seconds.words
    assert "s; 1 guessed (~)" in seconds.words


def test_seconds_that_cannot_be_are_refused_in_a_sentence(tmp_path: Path):
    wrong = ssdbench("plan", "--workload", "pace", "--timed-seconds", "-1", "--results", tmp_path)
    assert (wrong.code, "--timed-seconds" in wrong.err) == (2, True)
