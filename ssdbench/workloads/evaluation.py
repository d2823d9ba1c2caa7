"""Evaluation over the validation split: each rank detects on its shard, rank 0 computes the metrics for all ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError, NotFiniteError, UsageError
from ssdbench.runtime.context import RankContext
from ssdbench.schema.training import Evaluation
from ssdbench.ssd.arrays import Float64Array, Int64Array
from ssdbench.ssd.boxes import Detections, decode
from ssdbench.ssd.checkpoint import Checkpoint
from ssdbench.ssd.coco import load_columns, require_same_labels
from ssdbench.ssd.evaluate import detection_rows, evaluate, load_truth, protocol_named
from ssdbench.ssd.repair import rows_of
from ssdbench.ssd.sheet import draw_sheet
from ssdbench.workloads.pipeline import open_pipeline, split_of


def _ignore_batch(_batch: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Detections of one rank: rows (D, 7) as from `ssd.evaluate.detection_rows`, and its images (I,), as rows too."""

    rows: Float64Array
    images: Int64Array


class Evaluator:
    """Evaluates a model over the validation split, one shard per rank; the result is the same on every rank.

    After an evaluation `rows` holds the detections of all ranks in the order of the annotation file (rank 0; None
    elsewhere), and `images` is the number of images of this rank. `on_batch` is called with the number of each finished
    batch, from 0.

    Raises:
        UsageError: there is no data set, the pipeline is `resident`, or the protocol or engine is unknown.
        EnvironmentLacksError: the engine is not installed.
    """

    def __init__(
        self, context: RankContext, *, protocol: object = "every-image", engine: object = "pycocotools",
        on_batch: Callable[[int], None] = _ignore_batch,
    ) -> None:  # fmt: skip
        split = split_of(context, training=False)
        if split is None or context.case.pipeline == "resident":
            raise UsageError("an evaluation needs real images: give a data set and the pipeline dali or torchvision")
        self.rows: Float64Array | None = None
        self.images = 0
        self._split = split
        self._protocol = protocol_named(protocol)
        self._image_ids = load_columns(split).image_ids
        self._truth: Any = load_truth(split, engine) if context.group.rank == 0 else None
        self._pipeline = open_pipeline(context, training=False)
        self._group = context.group
        self._autocast = context.precision.autocast
        self._on_batch = on_batch

    def require_labels_of(self, checkpoint: Checkpoint) -> None:
        """Raise DataError if the checkpoint learned other categories than the validation split has."""
        require_same_labels(self._split, checkpoint.label_map, checkpoint.path)

    def __call__(self, model: nn.Module) -> Evaluation:
        """Evaluate the model, bare or wrapped for data-parallel training; all ranks must call."""
        return self.judge(self.detect(model))

    def detect(self, model: nn.Module) -> Found:
        """Run the model over this rank's shard, in evaluation mode and with the buffers of rank 0.

        Detections stay on the device until the shard is done. Afterwards each module's mode is as before.

        Raises:
            NotFiniteError: an output of the model is infinite or NaN.
        """
        self._group.share_buffers(model)
        decoded: list[Detections] = []
        finite: list[Tensor] = []
        ids: list[int] = []
        sizes_hw: list[tuple[int, int]] = []
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            for number, batch in enumerate(self._pipeline.epoch()):
                detections, is_finite = self._detect_batch(model, batch.images)
                decoded += detections
                finite.append(is_finite)
                ids += batch.image_ids.tolist()
                sizes_hw += [(height, width) for height, width in batch.image_sizes_hw.tolist()]
                self._on_batch(number)
        finally:
            for module, training in modes.items():
                module.training = training
        self.images = len(ids)
        _require_finite(finite)
        images = rows_of(np.asarray(ids, np.int64), self._image_ids)
        rows = detection_rows(decoded, images.tolist(), sizes_hw, len(self._split.category_ids))
        return Found(rows=rows, images=images)

    @torch.inference_mode()
    def _detect_batch(self, model: nn.Module, images: Tensor) -> tuple[list[Detections], Tensor]:
        with self._autocast():
            loc, logits = model(images)
        return decode(loc, logits), loc.isfinite().all() & logits.isfinite().all()

    def judge(self, found: Found) -> Evaluation:
        """COCO metrics of the detections of all ranks.

        Raises:
            DataError: the ranks did not see each image of the annotation file once. Raised on rank 0; the other ranks
                lose their connection to it.
        """
        rows = self._group.gather_rows(torch.from_numpy(found.rows))
        images = self._group.gather_rows(torch.from_numpy(found.images))
        evaluation = None
        if rows is not None and images is not None:
            require_every_image(images.numpy(), self._image_ids)
            self.rows = rows.numpy()
            evaluation = Evaluation(**asdict(evaluate(self._truth, self.rows, protocol=self._protocol)))
        return self._group.share(evaluation)

    def draw(self, path: Path) -> None:
        """Draw images of the last evaluation with ground truth and detections; on rank 0 only."""
        if self.rows is not None:
            draw_sheet(path, self._split, self.rows)

    def close(self) -> None:
        """Stop background threads and processes."""
        self._pipeline.close()


def require_every_image(seen: Int64Array, image_ids: Int64Array) -> None:
    """Raise DataError if the rows seen are not each of those of `image_ids` once; -1 is an image of no row."""
    times = np.bincount(seen[seen >= 0], minlength=len(image_ids))
    faults = {"not seen": image_ids[times == 0], "seen more than once": image_ids[times > 1]}
    found = [f"{len(ids)} {fault} (id {ids[0]})" for fault, ids in faults.items() if len(ids)]
    if strangers := int(np.count_nonzero(seen < 0)):
        found.append(f"{strangers} not in the annotation file")
    if found:
        raise DataError(
            f"the ranks together did not see each of {len(image_ids)} validation images once: {', '.join(found)}"
        )


def _require_finite(finite: list[Tensor]) -> None:
    if not finite:
        return
    wrong = [number for number, good in enumerate(torch.stack(finite).tolist()) if not good]
    if wrong:
        raise NotFiniteError(
            f"the model's output is infinite or NaN in {len(wrong)} batches of this rank, first in batch {wrong[0]}"
        )
