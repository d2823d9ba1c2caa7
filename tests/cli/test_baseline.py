from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from tests.builders import HARDWARE, a_case, a_failure, a_run
from tests.cli.running import keep, ssdbench

A, B = a_case(), a_case(backbone="resnet50")
SAME, SLOWER = (0.1, 0.1, 0.1), (0.125, 0.125, 0.125)


def accept(results: Path, run: str = "latest", *more: str, reason: str = "first figures"):
    return ssdbench("baseline", "accept", run, "--reason", reason, "--results", results, *more)


def test_the_first_baseline_is_shown_and_written(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = accept(tmp_path)
    path = tmp_path / "baselines" / HARDWARE.key / "main.jsonl"
    assert outcome.code == 0
    assert "because: first figures" in outcome.out
    assert f"accepted: 3 launches in {path}" in outcome.out
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.reason == "first figures"


def test_a_run_that_was_accepted_is_what_the_next_one_is_compared_with(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(tmp_path, "first")
    assert ssdbench("compare", "second", "--results", tmp_path).code == 3


def test_what_is_replaced_is_shown_old_new_and_change(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(tmp_path, "first")
    outcome = accept(tmp_path, "second", "--allow-regression", reason="the new container is slower, see issue 12")
    assert outcome.code == 0
    row = next(line for line in outcome.out.splitlines() if line.startswith("train resnet18 resident fp32  "))
    assert row.split()[4:] == ["20.000", "16.000", "-20.00%", "regressed"]
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "second"


def test_a_name_keeps_suites_apart(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((B, SAME), run_id="second"))
    accept(tmp_path, "first")
    assert accept(tmp_path, "second", "--name", "resnet50").code == 0
    assert [header.name for header in FileStore(tmp_path).list_baselines()] == ["main", "resnet50"]


def test_a_baseline_loses_cases_only_when_told_to(tmp_path: Path):
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, SAME), run_id="second"))
    accept(tmp_path, "first")
    outcome = accept(tmp_path, "second")
    assert outcome.code == 2
    assert "run second lacks train-resnet50" in outcome.err
    assert "drop them with --drop-cases" in outcome.err
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "first"
    assert accept(tmp_path, "second", "--drop-cases").code == 0
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "second"


@pytest.mark.parametrize(
    ("outcomes", "reason", "sentence"),
    [
        (SAME, " ", "--reason is empty"),
        ((0.1, 0.1), "x", "launch 2 not measured"),
        ((0.1, a_failure(), 0.1), "x", "launch 1 failed"),
    ],
)
def test_what_cannot_be_accepted_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, outcomes: tuple[float, ...], reason: str, sentence: str
):
    keep(tmp_path, a_run((A, outcomes)))
    outcome = accept(tmp_path, reason=reason)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "baselines").exists()


def test_a_reason_must_be_given(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = ssdbench("baseline", "accept", "latest", "--results", tmp_path)
    assert outcome.code == 2
    assert "--reason" in outcome.err


def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = accept(tmp_path, "latest", "--name", "../elsewhere")
    assert outcome.code == 2
    assert "baseline name '../elsewhere' is no file name" in outcome.err


def test_show_prints_the_figures_and_the_reason(tmp_path: Path):
    keep(tmp_path, a_run((A, (0.1, 0.125, 0.2))))
    accept(tmp_path)
    outcome = ssdbench("baseline", "show", "--results", tmp_path)
    assert outcome.code == 0
    assert "baseline main for cpu-2x-example" in outcome.words
    assert "because: first figures" in outcome.words
    row = next(line for line in outcome.out.splitlines() if line.startswith("train"))
    assert row.split()[4:] == ["16", "10..20", "3", "0.0%"]


def test_list_prints_hardware_name_date_and_reason(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    outcome = ssdbench("baseline", "list", "--results", tmp_path)
    assert outcome.code == 0
    assert "cpu-2x-example main" in outcome.words
    assert "first figures" in outcome.words


@pytest.mark.parametrize("verb", ["show", "list"])
def test_without_any_baseline_the_remedy_is_said(tmp_path: Path, verb: str):
    outcome = ssdbench("baseline", verb, "--results", tmp_path)
    assert outcome.code == 2
    assert "ssdbench baseline accept" in outcome.err


def test_show_of_an_unknown_name_tells_the_known_ones(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    outcome = ssdbench("baseline", "show", "mian", "--results", tmp_path)
    assert "no baseline 'mian'; there are: main" in outcome.err
