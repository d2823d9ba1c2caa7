"""The list of stored runs, and the end of a run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.analysis.outcomes import case_outcomes
from ssdbench.cli.run_ending import print_ending
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.record import Failure, Run
from ssdbench.workflows.measuring import MeasuredRun
from tests.builders import GPU_HARDWARE, a_case, a_failure, a_run
from tests.cli.running import accept, keep, ssdbench
from tests.databases import STORES
from tests.trainings import a_training_run, some_seeds

A, B = a_case(), a_case(batch_size_per_gpu=4)


def on(day: int) -> str:
    return f"2026-01-{day:02d}T12:00:00+00:00"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A baseline of five sessions, a slower run, one of another suite and machine that failed, a training."""
    firsts = [f"first-{number}" for number in range(5)]
    keep(
        tmp_path,
        *(a_run((A, [0.1, 0.1001, 0.0999 + 1e-5 * n]), run_id=name, created_at=on(1)) for n, name in enumerate(firsts)),
    )
    assert accept(tmp_path, *firsts).code == 0
    keep(tmp_path, a_run((A, [0.3, 0.301, 0.302]), run_id="slower", created_at=on(2)))
    elsewhere = a_run((B, [0.1, a_failure()]), run_id="elsewhere", created_at=on(3), hardware=GPU_HARDWARE)
    plan = replace(elsewhere.header.plan, suite="nightly")
    keep(tmp_path, replace(elsewhere, header=replace(elsewhere.header, plan=plan)))
    keep(tmp_path, a_training_run(some_seeds(2), run_id="seeds", created_at=on(4)))
    return tmp_path


@pytest.mark.parametrize("columns", [80, 120])
def test_runs_are_listed_newest_first_with_verdict_and_baseline(results: Path, columns: int) -> None:
    found = ssdbench("runs", "--results", results, columns=columns)
    assert (found.code, found.err) == (0, "")
    assert max(map(len, found.out.splitlines())) <= columns
    rows = {line.split()[0]: line.split()[1:] for line in found.out.splitlines() if line.startswith(tuple("fse"))}
    assert list(rows)[:3] == ["seeds", "elsewhere", "slower"]
    assert rows["slower"] == ["smoke", "3", "regressed"]
    assert rows["first-0"] == ["smoke", "3", "ok", "main"]
    assert rows["elsewhere"] == ["nightly", "2", "of", "3", "failed"]
    assert rows["seeds"] == ["smoke", "2", "-"]
    assert found.out.count("1 failed") == 1
    assert "2026-01-02 12:00" in found.out


def test_some_runs_can_be_chosen_and_the_others_are_counted(results: Path) -> None:
    found = ssdbench("runs", "--last", "1", "--suite", "smoke", "--hardware", "cpu", "--results", results)
    assert "seeds" in found.out
    assert "slower" not in found.out
    assert "6 older runs not shown; --last 0 shows all" in found.out
    nothing = ssdbench("runs", "--suite", "weekly", "--results", results)
    assert (nothing.code, nothing.out) == (2, "")
    assert "no run of this suite on this hardware is stored" in nothing.err
    empty = ssdbench("runs", "--results", results / "empty")
    assert "there are no runs yet: `ssdbench run` measures speed" in empty.err


@pytest.mark.parametrize("kind", STORES)
def test_every_store_lists_the_same(results: Path, kind: str, new_place: Callable[[str], str]) -> None:
    place = new_place(kind)
    assert ssdbench("store", "sync", results, place).code == 0
    asked = ("runs", "--json", "--results", results)
    found = ssdbench(*asked, "--store", place)
    assert found.out == ssdbench(*asked).out
    runs = json.loads(found.out)["runs"]
    assert [run["verdict"] for run in runs][:4] == [None, "failed", "regressed", "ok"]
    assert runs[-1]["baselines"] == ["main"]


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_listed(results: Path) -> None:
    path = results / "records" / "slower.jsonl"
    header, record, *others = path.read_text().splitlines()
    path.write_text("\n".join([header, record.replace('"launch":0', '"launch":"one"'), *others]) + "\n")
    found = ssdbench("runs", "--results", results)
    assert found.code == 0
    assert "slower.jsonl" in found.err
    assert "first" in found.out


def ending(results: Path, run: Run, code: ExitCode = ExitCode.OK) -> None:
    measured = MeasuredRun(run=run, comparison=None, exit_code=code)
    print_ending(FileStore(results), measured, " --results there", is_judged=False)


def test_a_run_ends_with_its_cases_its_place_and_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ending(tmp_path, a_run((A, [0.1, 0.1, 0.11]), run_id="new"))
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("train"))
    assert row.split()[-4:] == ["19.4", "9.4%", "3", "measured"]
    assert lines[-2] == f"stored in {tmp_path} as run new"
    assert lines[-1].startswith('next: `ssdbench baseline accept new --reason "..." --results there` makes it')
    assert max(map(len, lines[:-2])) <= 80


def test_a_run_with_invalid_launches_is_not_proposed_as_a_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run((A, [0.1] * 3), run_id="new")
    busy = [replace(record, invalid_reason="other processes kept 1.00 cores busy") for record in run.records]
    ending(tmp_path, replace(run, records=tuple(busy)))
    out = capsys.readouterr().out
    assert "baseline accept" not in out
    assert "--foreign-cpu" in out.splitlines()[-1]
    assert "\n\n\n" not in out


def test_what_to_do_next_depends_on_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def next_step(*outcomes: float | Failure, code: ExitCode = ExitCode.OK) -> str:
        ending(tmp_path, a_run((A, outcomes), run_id="new"), code)
        return capsys.readouterr().out.splitlines()[-1]

    keep(tmp_path, a_run((A, [0.1] * 3), run_id="first"))
    accept(tmp_path)
    assert next_step(0.1, 0.1, 0.1) == "next: `ssdbench compare new --results there` judges it against the baseline"
    details = "next: `ssdbench report new --results there` shows the details"
    failed = next_step(0.1, a_failure(), code=ExitCode.CASE_FAILED)
    assert failed == f"{details}, with the end of the log of a failed launch"
    assert next_step(0.1, 0.1, 0.1, code=ExitCode.REGRESSED) == details
    assert next_step(0.1).startswith("stored in ")  # how to continue was said before
    nothing_measured = next_step(*[a_failure(kind="unsupported")] * 3, code=ExitCode.CASE_FAILED)
    assert nothing_measured.startswith("stored in ")
    assert next_step(0.1, 0.1, a_failure(kind="interrupted")).startswith("stored in ")


def test_what_became_of_a_case_is_one_word_and_a_reason() -> None:
    skipped = PlannedCase(case=a_case(precision="tf32"), skip_reason="needs a GPU")
    invalid = a_case(batch_size_per_gpu=8)
    run = a_run((A, [0.1, 0.1, 0.2]), (B, [0.1, a_failure()]), (skipped, []), (invalid, [0.1] * 3))
    records = tuple(
        replace(r, invalid_reason="another process was busy") if r.case == invalid and not r.launch else r
        for r in run.records
    )
    found = case_outcomes(replace(run, records=records))
    assert [(case.outcome, case.reason, case.launches) for case in found] == [
        ("measured", "", 3),
        ("failed", "1 of 2 launches: crash", 1),
        ("skipped", "needs a GPU", 0),
        ("invalid", "1 of 3 launches: another process was busy", 2),
    ]
    (unsupported,) = case_outcomes(a_run((A, [a_failure(kind="unsupported", message="no torch")] * 3)))
    assert (unsupported.outcome, unsupported.reason, unsupported.launches) == ("skipped", "no torch", 0)
    (interrupted,) = case_outcomes(a_run((A, [0.1, 0.1, a_failure(kind="interrupted")])))
    assert (interrupted.outcome, interrupted.reason) == ("unfinished", "2 of 3 launches")
    (unfinished,) = case_outcomes(a_run((A, [0.1])))
    assert (unfinished.outcome, unfinished.reason) == ("unfinished", "1 of 3 launches")
