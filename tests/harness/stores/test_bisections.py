"""The log of a bisection: read back as it was written, for the same question only."""

from pathlib import Path

import pytest

from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.bisections import BisectionLog, log_file_name

IMAGES = ("bench:1", "bench:2", "bench:3")


def a_log(path: Path, images: tuple[str, ...] = IMAGES) -> BisectionLog:
    return BisectionLog(path, suite="monthly", case_key="train-x", images=images)


def test_a_search_goes_on_from_its_log(tmp_path: Path) -> None:
    path = tmp_path / "bisections" / "log.jsonl"
    log = a_log(path)
    log.add("is it worse?", image="bench:3", run_id="run-1")
    log.add("regressed: +30 %", image="bench:3", run_id="run-1", finding="bad")
    log.add("in the middle", image="bench:2", run_id="run-2")

    again = a_log(path)
    assert again.steps == log.steps
    assert again.findings == {"bench:3": "bad"}
    assert again.open_probe("bench:3") is None
    probe = again.open_probe("bench:2")
    assert probe is not None
    assert (probe.run_id, probe.attempt) == ("run-2", 1)

    # The host was killed in the middle of a line: that decision is taken again.
    path.write_bytes(path.read_bytes()[:-10])
    assert a_log(path).open_probe("bench:2") is None
    torn = a_log(path)
    torn.add("in the middle", image="bench:2", run_id="run-3")
    assert [step.run_id for step in a_log(path).steps] == ["run-1", "run-1", "run-3"]


def test_a_log_of_another_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    a_log(path)
    with pytest.raises(UsageError, match="is the log of another question"):
        a_log(path, IMAGES[:2])
    path.write_text("x\n")
    with pytest.raises(StoreError, match=r"log\.jsonl line 1: not a line of JSON"):
        a_log(path)


def test_the_name_of_a_log_tells_its_question_and_is_a_file_name() -> None:
    name = log_file_name(("nvcr.io/nvidia/pytorch:24.01-py3", "nvcr.io/nvidia/pytorch:24.09-py3"), "train-a=b/c-bs32")
    assert name == "pytorch-24.01-py3_pytorch-24.09-py3_train-a=b-c-bs32.jsonl"
