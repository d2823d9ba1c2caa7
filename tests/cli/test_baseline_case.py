"""`baseline accept --case` moves some cases to the new run and leaves the launches of all others as they are."""

import json
from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.verdict import Baseline
from tests.builders import HARDWARE, a_case, a_failure, a_run
from tests.cli.running import accept, bytes_of, keep, ssdbench, the_baseline

A, B, C = a_case(), a_case(backbone="resnet50"), a_case(batch_size_per_gpu=64)
SAME, SLOWER, FASTER = (0.1, 0.1001, 0.0999), (0.125, 0.1251, 0.1249), (0.08, 0.0801, 0.0799)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two cases that were accepted, and a run in which A is faster and B is slower."""
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, FASTER), (B, SLOWER), run_id="second"))
    assert accept(tmp_path, "first").code == 0
    return tmp_path


def lines_of(results: Path, case_key: str, file: str = "main.jsonl") -> list[bytes]:
    """The stored launches of a case, as they are written."""
    lines = bytes_of(results)[file].splitlines()[1:]
    return [line for line in lines if json.loads(line).get("case", {}) and case_key in json.loads(line)["id"]]


def run_of_each(baseline: Baseline) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in baseline.records:
        found.setdefault(record.case.key, set()).add(record.run_id)
    return found


def test_a_case_moves_and_the_launches_of_the_others_stay_to_the_byte(results: Path) -> None:
    before, anchor = lines_of(results, B.key), lines_of(results, B.key, "main.anchor.jsonl")
    done = accept(results, "second", "--case", A.key, reason="the decoder is faster")
    assert (done.code, done.err) == (0, "")
    assert "accepted: 3 launches in " in done.out
    assert done.out.rstrip().endswith("; unchanged: 1 case of earlier runs")
    assert B.title not in done.words
    assert len(before) == 3
    assert lines_of(results, B.key) == before
    assert lines_of(results, B.key, "main.anchor.jsonl") == anchor
    assert run_of_each(the_baseline(results)) == {A.key: {"second"}, B.key: {"first"}}


def test_each_case_is_then_judged_against_its_own_run(results: Path) -> None:
    accept(results, "second", "--case", A.key)
    keep(results, a_run((A, FASTER), (B, SAME), run_id="third"))
    judged = json.loads(ssdbench("compare", "third", "--results", results, "--json").out)["cases"]
    values = {case["case_key"]: round(case["verdict"]["baseline_value"]) for case in judged}
    assert values == {A.key: 25, B.key: 20}
    shown = ssdbench("compare", "second", "--results", results)
    assert shown.code == 3  # B is still judged against the first run


def test_the_history_says_which_cases_moved(results: Path) -> None:
    accept(results, "second", "--case", A.key, reason="the decoder is faster")
    baseline = the_baseline(results)
    first, second = baseline.history
    assert (first.cases, second.cases, second.run_ids) == (None, (A.key,), ("second",))
    assert (baseline.header.run_id, baseline.header.sessions) == ("second", ("first", "second"))
    stored = bytes_of(results)["main.jsonl"].splitlines()
    assert ("cases" in json.loads(stored[1]), "cases" in json.loads(stored[2])) == (False, True)
    assert f"only: {A.title}" in ssdbench("baseline", "show", "--results", results, columns=300).out
    assert ssdbench("baseline", "verify", "--results", results).out == f"main for {HARDWARE.key}: complete\n"


def test_refusals_are_about_the_cases_that_move(results: Path) -> None:
    refused = accept(results, "second", "--case", B.key)
    assert refused.code == 2
    assert f"makes {B.key} (-20.0% against the baseline) worse" in refused.err
    assert accept(results, "second", "--case", A.key).code == 0  # B of this run is worse, and does not move
    assert accept(results, "second", "--case", B.key, "--allow-regression").code == 0
    assert the_baseline(results).history[-1].accepted_regressions[0].case_key == B.key
    assert run_of_each(the_baseline(results)) == {A.key: {"second"}, B.key: {"second"}}
    assert the_baseline(results).header.sessions == ("second",)


def test_creep_is_judged_for_the_cases_that_move(results: Path) -> None:
    accept(results, "second", "--case", B.key, "--allow-regression")
    keep(results, a_run((A, SLOWER), (B, (0.1256, 0.1257, 0.1255)), run_id="third"))
    crept = accept(results, "third", "--case", "resnet50")
    assert crept.code == 0, crept.err  # 0.5 % slower than what was allowed for it; A is not looked at
    assert the_baseline(results).history[-1].cases == (B.key,)


def test_what_else_is_wrong_with_the_run_is_no_obstacle(results: Path) -> None:
    keep(results, a_run((A, FASTER), (B, (a_failure(),)), (C, SAME), run_id="third"))
    assert accept(results, "third").code == 2
    assert accept(results, "third", "--case", B.key).code == 2
    done = accept(results, "third", "--case", A.key, "--case", C.key)
    assert done.code == 0, done.err
    assert run_of_each(the_baseline(results)) == {A.key: {"third"}, B.key: {"first"}, C.key: {"third"}}
    assert {record.case.key for record in FileStore(results).load_anchor(HARDWARE.key, "main").records} == {
        A.key, B.key, C.key,
    }  # fmt: skip


def test_the_anchor_of_a_case_that_moves_stays_too(results: Path) -> None:
    accept(results, "second", "--case", A.key)
    anchor = FileStore(results).load_anchor(HARDWARE.key, "main")
    assert anchor is not None
    assert run_of_each(anchor) == {A.key: {"first"}, B.key: {"first"}}


def test_accepting_the_same_case_again_changes_no_byte(results: Path) -> None:
    accept(results, "second", "--case", A.key)
    before = bytes_of(results)
    again = accept(results, "second", "--case", A.key)
    assert "second is already baseline main, with this reason: nothing changed" in again.words
    assert bytes_of(results) == before


def test_an_earlier_run_may_come_back_for_a_case(results: Path) -> None:
    accept(results, "second", "--case", A.key)
    before = lines_of(results, B.key)
    assert accept(results, "first", "--case", A.key, "--allow-regression", reason="it was a mistake").code == 0
    assert run_of_each(the_baseline(results)) == {A.key: {"first"}, B.key: {"first"}}
    assert lines_of(results, B.key) == before
    assert "complete" in ssdbench("baseline", "verify", "--results", results).out


def test_a_whole_acceptance_afterwards_is_whole(results: Path) -> None:
    accept(results, "second", "--case", A.key)
    assert accept(results, "second", "--allow-regression").code == 0
    baseline = the_baseline(results)
    assert baseline.header.sessions == ("second",)
    assert baseline.history[-1].cases is None
    assert len(baseline.records) == 6


def test_a_release_moves_the_same_cases(results: Path) -> None:
    refused = accept(results, "second", "--case", A.key, "--release")
    assert "there is no baseline main.release for this hardware whose other cases could stay" in refused.err
    assert accept(results, "first", "--release", reason="a release").code == 0
    assert accept(results, "second", "--case", A.key, "--release").code == 0
    assert run_of_each(the_baseline(results, "main.release")) == {A.key: {"second"}, B.key: {"first"}}


def test_the_note_for_the_review_is_about_the_cases_that_moved(results: Path, tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    assert accept(results, "second", "--case", A.key, "--note", str(note)).code == 0
    text = note.read_text()
    assert "Runs: second. Only the cases below move to them, those of earlier runs stay." in text
    assert sum(line.startswith("| train") for line in text.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--case", "nothing"), "--case 'nothing' fits no case of smoke; there are "),
        (("--case", A.key, "--reset-anchor"), "--reset-anchor resets the anchor of every case: omit it, or --case"),
        (("--case", A.key, "--name", "other"), "there is no baseline other for this hardware whose other cases could"),
    ],
)
def test_what_cannot_move_is_a_sentence_and_nothing_changes(
    results: Path, words: tuple[str, ...], sentence: str
) -> None:
    before = bytes_of(results)
    refused = accept(results, "second", *words)
    assert refused.code == 2
    assert sentence in refused.err
    assert bytes_of(results) == before
