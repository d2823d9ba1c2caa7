"""The folder of a comparison of two images by one trained model, and the launch that fills it for each image.

<results>/evaluations/<run>/ has question.json, and of each arm ARM.json (what the image computed), ARM-detections.npy,
ARM-matches.npz and ARM.png; comparison.json is the answer. ARM.json is written last: an arm that has it is complete.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdbench.errors import DataError, StoreError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.evaluation import request_for
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.harness.launchers.left_files import read_bytes
from ssdbench.harness.process import run_module
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import LOCKS
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import Lock
from ssdbench.schema.evaluation import DETECTIONS, EVALUATE, CheckpointEvaluation
from ssdbench.schema.image_evaluation import EvaluationQuestion, ImageComparison
from ssdbench.schema.record import Arm, Failure
from ssdbench.schema.training import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

QUESTION, ANSWER = "question.json", "comparison.json"
_MOST_BYTES = 2**30  # 100 detections on each of 5,000 images have 28 MB
_COLUMNS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFolder:
    """The files of one comparison."""

    path: Path
    question: EvaluationQuestion

    def evaluation(self, arm: Arm) -> CheckpointEvaluation | None:
        """What an image has computed; None where that is still to do."""
        content = read_bytes(self.path / f"{arm}.json", _MOST_BYTES)
        return None if content is None else codec.read_evaluation(content, str(self.path / f"{arm}.json"))

    def evaluate(
        self, arm: Arm, launcher: ContainerLauncher, checkpoint: Path, data: PreparedData,
        on_event: Callable[[Event], None],
    ) -> CheckpointEvaluation | Failure:  # fmt: skip
        """Evaluate in one image, and keep its files here.

        Raises:
            StoreError: the folder cannot be written.
        """
        work = work_folder().absolute() / self.question.run_id / f"{arm}-{secrets.token_hex(2)}"
        outcome = launcher.evaluate(request_for(self.question.case, checkpoint, data, work), on_event)
        if isinstance(outcome, Failure):
            return outcome
        rows = read_detections(work / DETECTIONS, self.question.dataset.val_images)
        if isinstance(rows, Failure):
            return rows
        write_bytes(self.detections(arm), _as_npy(rows))
        with suppress(OSError):  # a picture is worth no failure
            shutil.copyfile(work / "sheet.png", self.path / f"{arm}.png")
        write_bytes(self.path / f"{arm}.json", codec.dump(outcome).encode())
        return outcome

    def detections(self, arm: Arm) -> Path:
        """The file of an arm's detections."""
        return self.path / f"{arm}-{DETECTIONS}"

    def rows(self, arm: Arm) -> Rows:
        """The detections of an arm that is complete; StoreError if the file is not as it was written."""
        question = self.question
        rows = read_detections(self.detections(arm), question.dataset.val_images)
        if isinstance(rows, Failure):
            raise StoreError(f"{self.detections(arm)}: {rows.message}; remove {self.path}, and evaluate again")
        return rows

    def match(self, arm: Arm, python: str, data: PreparedData) -> tuple[dict[str, Any], Evaluation]:
        """Match an arm's detections with the objects outside of the image; arrays as of `ssd.matches.match`.

        Raises:
            WorkerError: the annotations have changed.
            EnvironmentLacksError: the interpreter `python` cannot do it.
        """
        import numpy as np

        output = self.path.absolute() / f"{arm}-matches.npz"
        protocol = str(self.question.case.options["protocol"])
        files = (str(data.path.absolute()), str(self.detections(arm).absolute()), str(output))
        result = run_module(python, ["ssdbench.ssd", "match", *files, "--protocol", protocol])
        figures: Any = result["evaluation"]
        with np.load(output, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}, Evaluation(**figures)

    def keep(self, answer: ImageComparison) -> Path:
        """Write the answer; returns its file."""
        write_bytes(self.path / ANSWER, codec.dump(answer).encode())
        return self.path / ANSWER

    def working(self) -> Lock:
        """Lock the folder for the process that fills it; StoreLockedError if another one does."""
        lock = Lock(
            FileClaims(self.path.parent / LOCKS, str(self.path)), self.path.name, "evaluating images", say=_ignore
        )
        lock.acquire(0, renew=True)
        return lock


def begin_folder(results: Path, question: EvaluationQuestion) -> EvaluationFolder:
    """A new folder with the question in it; StoreError if it cannot be written."""
    now = datetime.now(timezone.utc)
    run_id = f"{now:%Y%m%dT%H%M%S}-{EVALUATE}-{secrets.token_hex(2)}"
    question = replace(question, run_id=run_id, asked_at=now.isoformat(timespec="seconds"))
    path = results / "evaluations" / run_id
    write_bytes(path / QUESTION, codec.dump(question).encode())
    return EvaluationFolder(path=path, question=question)


def find_folder(results: Path, question: EvaluationQuestion) -> EvaluationFolder | None:
    """The newest folder with the same question and no answer; None if there is none."""
    for path in sorted((results / "evaluations").glob(f"*/{QUESTION}"), reverse=True):
        content = read_bytes(path, _MOST_BYTES)
        try:
            asked = codec.read(EvaluationQuestion, content or b"", str(path))
        except StoreError:  # of another version, or cut off: it is no earlier answer
            continue
        if _content(asked) == _content(question) and not (path.parent / ANSWER).exists():
            return EvaluationFolder(path=path.parent, question=asked)
    return None


def evaluation_ids(results: Path) -> list[str]:
    """The names of all folders of comparisons, the oldest first."""
    return sorted(path.parent.name for path in (results / "evaluations").glob(f"*/{QUESTION}"))


def read_answer(folder: Path) -> ImageComparison:
    """The answer in a folder; StoreError if there is none yet, or it cannot be read."""
    content = read_bytes(folder / ANSWER, _MOST_BYTES)
    if content is None:
        raise StoreError(f"{folder}: no answer yet; continue with `ssdbench containers evaluate ... --resume`")
    return codec.read(ImageComparison, content, str(folder / ANSWER))


def checkpoint_digest(checkpoint: Path) -> str:
    """SHA-256 of the file; DataError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with checkpoint.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{checkpoint}: cannot be read ({error.strerror}); give the file of a checkpoint") from None
    return digest.hexdigest()


def read_detections(path: Path, images: int) -> Rows | Failure:
    """The rows in a file that an image wrote; a failure if it holds anything else."""
    import numpy as np

    content = read_bytes(path, _MOST_BYTES)
    try:
        found = np.load(io.BytesIO(content or b""), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, MemoryError):
        found = None
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.ndim != 2 or found.shape[1] != _COLUMNS:
        return Failure(kind="crash", message=f"bad measurement: {path.name} holds no rows of detections")
    image, label = found[:, 0], found[:, 6]
    whole = np.isfinite(found).all() and (image == image.round()).all() and (label == label.round()).all()
    if not whole or ((image < 0) | (image >= images)).any() or (label < 1).any():
        return Failure(kind="crash", message=f"bad measurement: {path.name} has values that no detection has")
    rows: Rows = found
    return rows


def _content(question: EvaluationQuestion) -> EvaluationQuestion:
    return replace(question, run_id="", asked_at="")


def _as_npy(rows: Rows) -> bytes:
    import numpy as np

    content = io.BytesIO()
    np.save(content, rows, allow_pickle=False)
    return content.getvalue()


def _ignore(_sentence: str) -> None:
    pass
