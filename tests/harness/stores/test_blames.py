"""The log of a search for a component: what was decided is read back, and another question is refused."""

from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.blames import BlameLog, log_name
from ssdbench.harness.stores.locks import StoreLockedError
from ssdbench.schema.blame import BlameStep, Finding, StepKind

QUESTION: dict[str, Any] = {
    "suite": "paced",
    "case_key": "pace",
    "old": "sha256:a",
    "new": "sha256:b",
    "find": "regression",
}


def a_step(kind: StepKind, *swapped: str, run_id: str | None = None, finding: Finding | None = None) -> BlameStep:
    return BlameStep(
        schema_version=4, decided_at="2026-01-01T00:00:00+00:00", because="why", kind=kind, swapped=swapped,
        run_id=run_id, finding=finding,
    )  # fmt: skip


def test_decisions_are_read_back_by_another_process(tmp_path: Path):
    path = tmp_path / "blames" / "x.jsonl"
    log = BlameLog(path, **QUESTION)
    steps = [a_step("images", run_id="r1"), a_step("images", run_id="r1", finding="slower"), a_step("probe", "a")]
    lock = log.searching()
    for step in steps:
        log.add(step)
    with pytest.raises(StoreLockedError):
        BlameLog(path, **QUESTION).searching()
    lock.release()
    again = BlameLog(path, **QUESTION)
    again.searching().release()
    assert again.steps == steps
    assert again.finished("images") == steps[1]
    assert again.open("images") is None
    assert again.open("probe", ("a",)) == steps[2]
    assert again.finished("probe", ("a",)) is None


@pytest.mark.parametrize("key", QUESTION)
def test_the_log_of_another_question_is_refused(tmp_path: Path, key: str):
    BlameLog(tmp_path / "x.jsonl", **QUESTION)
    with pytest.raises(UsageError, match="the log of another question"):
        BlameLog(tmp_path / "x.jsonl", **QUESTION | {key: "improvement" if key == "find" else "other"})


def test_a_line_that_was_cut_off_by_a_power_cut_is_left_out_and_any_other_broken_line_refused(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    log = BlameLog(path, **QUESTION)
    log.add(a_step("images", run_id="r1"))
    whole = path.read_text()
    path.write_text(whole + '{"because":"why","kind":')
    again = BlameLog(path, **QUESTION)
    again.searching().release()
    assert len(again.steps) == 1
    path.write_text(whole.replace('"kind":"images"', '"kind":"other"'))
    with pytest.raises(StoreError):
        BlameLog(path, **QUESTION).searching()


def test_a_log_is_named_after_its_images_and_its_case():
    assert log_name("nvcr.io/nvidia/pytorch:24.08-py3", "x/y:2", "a case") == "pytorch-24.08-py3_y-2_a-case.jsonl"
