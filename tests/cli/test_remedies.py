"""What a sentence advises helps in the situation in which it is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.schema.record import Run
from tests.builders import a_case, a_failure, a_run
from tests.cli.running import Outcome, keep, ssdbench
from tests.trainings import a_training_run, some_seeds

A = a_case()


def unfinished(run: Run, launches: int = 1) -> Run:
    return replace(run, records=run.records[:launches])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A training of which one of three seeds is trained, one with a failed seed, and a run with two launches left."""
    keep(tmp_path, a_training_run([*some_seeds(1), None], run_id="failed"))
    keep(tmp_path, unfinished(a_training_run(some_seeds(3), run_id="seeds")))
    keep(tmp_path, unfinished(a_run((A, [0.1] * 3), run_id="speed")))
    return tmp_path


def refused(*arguments: str | Path) -> str:
    found: Outcome = ssdbench(*arguments, columns=400)
    assert found.code in (2, 6)
    return found.err + found.out


def test_a_training_is_never_told_to_be_measured_again(results: Path) -> None:
    place = ("--results", results)
    said = refused("baseline", "accept", "seeds", "--reason", "x", *place)
    assert "accept its seeds with `ssdbench converge accept`" in said
    assert "`ssdbench converge --resume` trains it" in refused("converge", "table", "seeds", *place)
    accepted = refused("converge", "accept", "seeds", "--name", "m", "--reason", "x", *place)
    assert "`ssdbench converge --resume` trains it" in accepted
    again = refused("converge", "accept", "failed", "--name", "m", "--reason", "x", *place)
    assert "repair the cause, and train seeds in a new run" in again  # --resume does not repeat what failed
    table = ssdbench("table", "seeds", "failed", *place, columns=200).out
    assert "run --resume" not in table
    assert "give one of `ssdbench run`" in refused("roofline", "seeds", *place)


def test_what_is_not_measured_is_continued_by_its_own_name(results: Path) -> None:
    keep(results, a_run((A, [0.1] * 3), run_id="newer"))
    place = ("--results", results)
    accepted = refused("baseline", "accept", "speed", "--reason", "x", *place)
    assert "finish it with `ssdbench run --resume --run speed`" in accepted
    other = a_run((A, [0.1] * 3), (a_case(batch_size_per_gpu=4), []), run_id="partly")
    keep(results, other)
    assert "continue with `ssdbench run --resume --run partly`" in refused("compare", "partly", *place)


def test_where_nothing_can_be_resumed_the_other_verb_is_named(tmp_path: Path) -> None:
    keep(tmp_path, a_run((A, [0.1] * 3)))
    said = refused("converge", "--resume", "--results", tmp_path)
    assert "`ssdbench run` measures speed, `ssdbench converge` trains" in said


@pytest.mark.parametrize("is_empty", [True, False])
def test_until_decided_without_a_baseline_says_what_can_be_done(tmp_path: Path, is_empty: bool) -> None:
    if not is_empty:
        keep(tmp_path, a_run())
    said = refused("run", "smoke", "--until-decided", "--dry-run", "--results", tmp_path)
    assert "has no baseline that could decide: measure without --until-decided and accept the run" in said
    named = refused("run", "smoke", "--until-decided", "--baseline", "nope", "--dry-run", "--results", tmp_path)
    assert "no baseline 'nope'" in named


def test_a_check_without_a_distribution_says_what_makes_one(results: Path) -> None:
    said = refused("converge", "check", "failed", "--baseline", "main", "--results", results)
    assert "`ssdbench converge accept` makes one" in said


def test_a_run_that_failed_is_not_told_to_be_compared(results: Path) -> None:
    keep(results, a_run((A, [0.1, 0.1, a_failure()]), run_id="broken"))
    said = refused("baseline", "accept", "broken", "--reason", "x", "--results", results)
    assert "repair the cause and measure again" in said
