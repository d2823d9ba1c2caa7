"""Evaluates one checkpoint in two container images, and judges what each of them detects."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.detections.average_precision import Matches
from ssdbench.analysis.detections.judge import Judged, failed, judge_images
from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.config import Containers
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.image_evaluations import EvaluationFolder, begin_folder, checkpoint_digest, find_folder
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.harness.process import SOURCE
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import Case
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.image_evaluation import EvaluationQuestion, EvaluationSettings, ImageComparison
from ssdbench.schema.record import Arm, ContainerImage, Failure

Progress = Callable[[str], AbstractContextManager[Callable[[Event], None]]]
"""Entered with the name of an image while that evaluates; yields what takes its events."""

_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoImages:
    """Two inspected images, and what both of them evaluate on this machine.

    `data` is prepared from the images in `data_folder`; `worker` is the interpreter that judges, outside of both.
    """

    containers: Containers
    images: Mapping[Arm, ContainerImage]
    machine: Machine
    worker: WorkerPython
    case: Case
    checkpoint: Path
    data: PreparedData
    data_folder: Path
    settings: EvaluationSettings

    def folder(self, results: Path, *, resume: bool) -> EvaluationFolder:
        """A new folder below `results`; with `resume` the newest of this very question that has no answer, if any.

        Raises:
            DataError: the checkpoint cannot be read.
            StoreError: the folder cannot be written.
        """
        question = self._question()
        earlier = find_folder(results, question) if resume else None
        return earlier or begin_folder(results, question)

    def compare(self, folder: EvaluationFolder, progress: Progress) -> ImageComparison:
        """Evaluate in the images that have not answered yet, and judge both.

        An image that fails gives the answer its sentence, and is tried again when the comparison is resumed.

        Raises:
            StoreError: the folder cannot be written, or another process fills it.
            WorkerError: the data set has changed.
        """
        lock = folder.working()
        try:
            found: dict[Arm, CheckpointEvaluation] = {}
            for arm in _ARMS:
                answer = folder.evaluation(arm) or self._evaluate(folder, arm, progress)
                if isinstance(answer, Failure):
                    name = self.images[arm].reference
                    return failed(folder.question, self.settings, f"{name} ({answer.kind}): {answer.message}")
                found[arm] = answer
            baseline, candidate = (self._judged(folder, arm, found[arm]) for arm in _ARMS)
            comparison = judge_images(folder.question, baseline, candidate, self.settings)
            folder.keep(comparison)
            return comparison
        finally:
            lock.release()

    def _question(self) -> EvaluationQuestion:
        host = self.machine.host
        return EvaluationQuestion(
            schema_version=SCHEMA_VERSION,
            run_id="",
            asked_at="",
            baseline=self.images["baseline"],
            candidate=self.images["candidate"],
            checkpoint=str(self.checkpoint),
            checkpoint_sha256=checkpoint_digest(self.checkpoint),
            dataset=self.data.dataset,
            case=self.case,
            ssdbench_version=host.ssdbench_version,
            commit=host.ssdbench_commit,
        )

    def _evaluate(self, folder: EvaluationFolder, arm: Arm, progress: Progress) -> CheckpointEvaluation | Failure:
        image = self.images[arm]
        if image.failure is None and "pycocotools" not in image.packages:
            return Failure(kind="unsupported", message=f"there is no pycocotools for {self.containers.options.python}")
        machine = self.machine
        launcher = ContainerLauncher(
            self.containers.options, image, self.data_folder.resolve(), machine.host.gpus, SOURCE, machine.hardware
        )
        with progress(image.reference) as on_event:
            return folder.evaluate(arm, launcher, self.checkpoint, self.data, on_event)

    def _judged(self, folder: EvaluationFolder, arm: Arm, own: CheckpointEvaluation) -> Judged:
        arrays, outside = folder.match(arm, self.worker.executable, self.data)
        return Judged(rows=folder.rows(arm), matches=Matches(**arrays), own=own, outside=outside)


def require_judge(worker: WorkerPython) -> None:
    """Raises EnvironmentLacksError if this interpreter cannot judge detections outside of the images."""
    for package in ("torch", "pycocotools"):
        if package not in worker.packages:
            raise EnvironmentLacksError(
                f"{package} is not installed for {worker.executable}, which judges the detections of both images: "
                "install the extra ssdbench[worker]"
            )
