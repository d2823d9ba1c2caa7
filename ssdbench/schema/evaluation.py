"""The result of evaluating a trained model: its accuracy, and how long that took."""

from __future__ import annotations

from ssdbench.compatibility import dataclass
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Software
from ssdbench.schema.training import Evaluation

EVALUATE = "evaluate"
"""The workload of such a check; no workload of a suite, because it is not timed step by step."""


DETECTIONS = "detections.npy"
"""The file with what was evaluated: a row of float64 for each detection, in the order of the annotation file.

A row is (image, left, top, width, height, score, label): the image's place in the annotation file from 0, the box in
pixels of the image, the label from 1.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEvaluation:
    """The content of evaluation.json: a checkpoint judged over the validation split.

    `epoch` and `iteration` are as the checkpoint has them. `detect_seconds` is reading, forward pass and decoding on
    the slowest rank, from its first batch to its last detection on the host, with no warm-up before; `judge_seconds`
    is gathering and judging. Protocol and engine are options of the case.
    """

    schema_version: int
    started_at: str
    case: Case
    checkpoint: str
    epoch: int | None
    iteration: int | None
    evaluation: Evaluation
    detect_seconds: float
    judge_seconds: float
    software: Software

    @property
    def images_per_second(self) -> float:
        """Global throughput of detection, over all ranks."""
        return self.evaluation.images / self.detect_seconds
