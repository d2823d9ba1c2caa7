"""Result of an accuracy run: the curve of one seed, epoch by epoch, as far as it got."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.environment import Software

EvaluationProtocol = Literal["every-image", "published"]
EvaluationEngine = Literal["pycocotools", "faster-coco-eval"]

SHEET = "detections.png"
"""The picture in a seed's folder: validation images with what the last evaluation found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """COCO's twelve figures for boxes, in [0, 1]; -1 where the ground truth has no object of that size.

    AP is averaged over IoU .50:.95 unless a name says otherwise, with at most 100 detections an image; AR at 1, 10 and
    100 detections an image. Small is below 32x32 pixels, large above 96x96. `images` counts the images judged,
    `detections` those handed to the judge. Protocol "every-image" counts every detection; "published" none on images
    without annotation.
    """

    protocol: EvaluationProtocol
    images: int
    detections: int
    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One finished epoch, counted from 0; times in seconds, of the slowest rank.

    `iterations` counts the steps since the start of training, this epoch included; `images` those of all ranks.
    `losses` are the means over equal windows of the epoch, over all ranks. `learning_rate` is that of the last step.
    `evaluation_seconds` runs from the last step to the figures, `checkpoint_seconds` is the writing of checkpoints.
    """

    epoch: int
    iterations: int
    images: int
    train_seconds: float
    losses: tuple[float, ...]
    learning_rate: float
    evaluation: Evaluation | None = None
    evaluation_seconds: float = 0.0
    checkpoint_seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch."""
        return sum(self.losses) / len(self.losses)

    @property
    def images_per_second(self) -> float:
        """Global training throughput of the epoch, evaluation left out."""
        return self.images / self.train_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The curve of one seed. It is complete when `results` holds all `epochs`; a failed run keeps what it had.

    `starts` counts the process groups that worked on it: more than 1 where it was resumed from a checkpoint.
    `software` is that of the last one. `side_by_side` is how many trainings the machine ran at a time, None if this one
    had it to itself: its times tell nothing about speed where others shared the machine.
    """

    schema_version: int
    workload_version: int
    started_at: str
    seed: int
    epochs: int
    decay_epochs: tuple[int, ...]
    validation_epochs: tuple[int, ...]
    global_batch_size: int
    results: tuple[EpochResult, ...] = ()
    starts: int = 1
    software: Software | None = None
    side_by_side: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every epoch was trained and every evaluation made."""
        evaluated = [result.epoch for result in self.results if result.evaluation is not None]
        return len(self.results) == self.epochs and evaluated == [e for e in self.validation_epochs if e < self.epochs]

    @property
    def seconds(self) -> float:
        """Time to train: training, evaluation and checkpoints of all finished epochs."""
        return sum(r.train_seconds + r.evaluation_seconds + r.checkpoint_seconds for r in self.results)
