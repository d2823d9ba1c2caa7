"""The folder of a comparison of two images: continued after an interruption, and careful about what an image wrote."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssdbench.errors import DataError, StoreError
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.image_evaluations import begin_folder, checkpoint_digest, find_folder, read_detections
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.stores.locks import StoreLockedError
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import DETECTIONS, CheckpointEvaluation
from ssdbench.schema.record import Failure
from tests.analysis.detections.test_judge_images import QUESTION
from tests.builders import DATASET, an_evaluated_checkpoint

ROWS = np.array([[0, 1.5, 2, 30, 40, 0.9, 1], [15, 0, 0, 5, 5, 0.1, 80]])


class Image:
    """Stands for a launcher: writes rows of detections, or fails."""

    def __init__(self, rows: "np.ndarray" = ROWS, *, failure: Failure | None = None) -> None:
        self.rows, self.failure = rows, failure
        self.asked: list[LaunchRequest] = []

    def evaluate(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> CheckpointEvaluation | Failure:
        self.asked.append(request)
        if self.failure is not None:
            return self.failure
        Path(request.output).mkdir(parents=True)
        np.save(Path(request.output) / DETECTIONS, self.rows)
        return an_evaluated_checkpoint()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))


def evaluate(folder, image, arm="baseline"):
    data = PreparedData(dataset=DATASET, path=Path("/prepared.json"))
    return folder.evaluate(arm, image, Path("/weights.pt"), data, lambda event: None)


def test_an_answer_is_kept_with_its_detections_and_found_again(tmp_path):
    folder, image = begin_folder(tmp_path, QUESTION), Image()
    assert folder.evaluation("baseline") is None
    answer = evaluate(folder, image)
    assert image.asked[0].checkpoint == "/weights.pt"
    again = find_folder(tmp_path, replace(QUESTION, run_id="", asked_at=""))
    assert again is not None
    assert again.path == folder.path
    assert again.evaluation("baseline") == answer
    np.testing.assert_array_equal(again.rows("baseline"), ROWS)
    assert again.evaluation("candidate") is None


@pytest.mark.parametrize(
    "change",
    [
        {"candidate": replace(QUESTION.candidate, id="sha256:c")},
        {"checkpoint_sha256": "1" * 64},
        {"dataset": replace(DATASET, fingerprint="beef")},
        {"case": replace(QUESTION.case, precision="bf16")},
        {"commit": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_is_not_continued(tmp_path, change):
    begin_folder(tmp_path, QUESTION)
    assert find_folder(tmp_path, QUESTION) is not None
    assert find_folder(tmp_path, replace(QUESTION, **change)) is None


def test_what_has_an_answer_or_cannot_be_read_is_not_continued(tmp_path):
    folder = begin_folder(tmp_path, QUESTION)
    (folder.path / "comparison.json").write_text("{}")
    damaged = begin_folder(tmp_path, QUESTION)
    (damaged.path / "question.json").write_text("{")
    assert find_folder(tmp_path, QUESTION) is None


def test_a_failure_is_not_kept(tmp_path):
    folder = begin_folder(tmp_path, QUESTION)
    failure = Failure(kind="crash", message="ended with exit code 9")
    assert evaluate(folder, Image(failure=failure)) == failure
    assert folder.evaluation("baseline") is None


def test_two_processes_do_not_fill_one_folder(tmp_path):
    folder = begin_folder(tmp_path, QUESTION)
    lock = folder.working()
    with pytest.raises(StoreLockedError, match="evaluating images"):
        folder.working()
    lock.release()
    folder.working().release()


def changed(row: int, column: int, value: float) -> np.ndarray:
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (ROWS[:, :6], "holds no rows"),
        (ROWS.astype(np.float32), "holds no rows"),
        (np.array(["a"]), "holds no rows"),
        (changed(0, 0, 16), "values that no detection has"),
        (changed(0, 0, -1), "values that no detection has"),
        (changed(0, 0, 0.5), "values that no detection has"),
        (changed(1, 6, 0), "values that no detection has"),
        (changed(1, 5, np.nan), "values that no detection has"),
        (changed(1, 3, np.inf), "values that no detection has"),
    ],
)
def test_what_is_no_detections_is_a_failure(tmp_path, rows, what):
    folder = begin_folder(tmp_path, QUESTION)
    failure = evaluate(folder, Image(rows))
    assert isinstance(failure, Failure)
    assert what in failure.message
    assert folder.evaluation("baseline") is None


class _Opened:
    def __reduce__(self):
        return (Path.touch, (Path("opened"),))


def test_a_file_of_detections_runs_no_code_and_may_be_cut_off(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / DETECTIONS
    path.write_bytes(pickle.dumps(_Opened()))
    assert isinstance(read_detections(path, 16), Failure)
    np.save(path, np.array([_Opened()], dtype=object), allow_pickle=True)
    assert isinstance(read_detections(path, 16), Failure)
    assert not Path("opened").exists()
    np.save(path, ROWS)
    path.write_bytes(path.read_bytes()[:-8])
    assert isinstance(read_detections(path, 16), Failure)
    assert isinstance(read_detections(tmp_path / "none.npy", 16), Failure)


def test_detections_that_were_damaged_since_are_named(tmp_path):
    folder = begin_folder(tmp_path, QUESTION)
    evaluate(folder, Image())
    folder.detections("baseline").write_bytes(b"damaged")
    with pytest.raises(StoreError, match=r"baseline-detections\.npy: bad measurement.*evaluate again"):
        folder.rows("baseline")


def test_a_checkpoint_that_is_gone_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="give the file of a checkpoint"):
        checkpoint_digest(tmp_path / "none.pt")
