"""COCO bounding-box evaluation: from decoded detections to the twelve standard metrics.

pycocotools is the reference. The optional faster-coco-eval computes the same metrics several times faster.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.errors import DataError, EnvironmentLacksError, UsageError
from ssdbench.ssd.annotations import annotations_digest, read_annotations
from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.coco import PreparedSplit
from ssdbench.ssd.findings import annotation_findings
from ssdbench.ssd.repair import repair_boxes, rows_of

Protocol = Literal["every-image", "published"]
CocoEngine = Literal["pycocotools", "faster-coco-eval"]
Truth = Any  # a COCO object of the engine that evaluates


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """COCO metrics for boxes, in [0, 1]; -1 if the ground truth has no object of that size (COCO's convention).

    AP is averaged over IoU .50:.95 unless the name says otherwise, with at most 100 detections per image. AR is at 1,
    10 and 100 detections per image. Small objects are below 32x32 pixels, large ones above 96x96.

    The protocol "every-image" counts every detection. "published" ignores detections on images without annotations (48
    of the 5,000 in val2017), so it counts no false positives there: its AP can only be equal or higher.
    """

    protocol: Protocol
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


def protocol_named(name: object) -> Protocol:
    """The protocol with this name; UsageError if there is none."""
    for protocol in get_args(Protocol):
        if name == protocol:
            known: Protocol = protocol
            return known
    raise UsageError(f"protocol {name!r} does not exist; choose one of {', '.join(get_args(Protocol))}")


def load_annotations(path: str | os.PathLike[str], engine: object = "pycocotools") -> Truth:
    """Read a COCO annotation file as ground truth for `evaluate`, which will use the same engine.

    Images have their row in the file as id, from 0, and categories their label, from 1: detections are rows of float64,
    in which an id above 2^53 would become another one. Annotations are numbered from 1, because the engines mark an
    unmatched detection with 0. Boxes without an area inside their image are left out, as in training; all others are
    as annotated. An area that cannot be is replaced by that of the box.

    Raises DataError if it is not such a file or has a fault that is an error, UsageError for an unknown engine,
    EnvironmentLacksError if the engine is not installed.
    """
    truth = _coco_class(engine)()
    table = read_annotations(Path(path))
    for finding in annotation_findings(table, "val"):
        if finding.severity == "error" and finding.code not in ("no-annotation", "too-many-categories"):
            raise DataError(finding.sentence())
    repaired = repair_boxes(table)
    kept = np.flatnonzero(~repaired.dropped)
    labels = 1 + rows_of(table.box_category_ids[kept], table.category_ids)
    columns = (repaired.image_rows[kept], labels, table.boxes_xywh[kept], repaired.areas[kept], table.crowd[kept])
    truth.dataset = {
        "images": [{"id": row} for row in range(len(table.image_ids))],
        "categories": [{"id": row + 1, "name": name} for row, name in enumerate(table.category_names)],
        "annotations": [
            {"id": number, "image_id": image, "category_id": label, "bbox": bbox, "area": area, "iscrowd": int(crowd)}
            for number, (image, label, bbox, area, crowd) in enumerate(
                zip_equal(*(column.tolist() for column in columns)), start=1
            )
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def load_truth(split: PreparedSplit, engine: object = "pycocotools") -> Truth:
    """The user's own annotations of a prepared split; errors as `load_annotations`, DataError also if they changed."""
    if annotations_digest(split.source_annotations) != split.source_digest:
        raise DataError(f"{split.source_annotations} has changed since it was prepared: start again.")
    return load_annotations(split.source_annotations, engine)


def _coco_class(engine: object) -> Any:
    if engine == "pycocotools":
        return COCO
    if engine == "faster-coco-eval":
        return _faster_coco_eval().COCO
    raise UsageError(f"engine {engine!r} does not exist; choose one of {', '.join(get_args(CocoEngine))}")


def _faster_coco_eval() -> Any:
    try:
        import faster_coco_eval
    except ImportError as error:
        raise EnvironmentLacksError(
            f"faster-coco-eval is not installed for {sys.executable} ({error}): install the extra "
            "ssdbench[fast-eval], or use pycocotools"
        ) from error
    return faster_coco_eval


def detection_rows(
    decoded: Sequence[tuple[Tensor, Tensor, Tensor]],
    images: Sequence[int],
    image_sizes: Sequence[tuple[int, int]],
    categories: int,
) -> Float64Array:
    """The output of `ssdbench.ssd.boxes.decode` as rows (D, 7): image, left, top, width, height, score, label.

    `images` are rows of the annotation file, and `image_sizes` (height, width) in pixels, and so are the boxes in the
    result; there is one of each per entry of `decoded`. Labels beyond the file's number of categories (in a data set
    with fewer than 80) are omitted, because COCO evaluates only the file's categories.
    """
    if not len(decoded) == len(images) == len(image_sizes):
        raise ValueError(f"{len(decoded)} images, {len(images)} rows and {len(image_sizes)} sizes")
    if not decoded:
        return np.empty((0, 7))
    boxes_ltrb, labels, scores = (torch.cat(part).cpu().numpy() for part in zip_equal(*decoded))
    image = np.repeat(np.arange(len(decoded)), [len(part[2]) for part in decoded])
    known = labels <= categories
    boxes_ltrb, labels, scores, image = boxes_ltrb[known], labels[known], scores[known], image[known]
    height, width = np.asarray(image_sizes, dtype=np.float64)[image].T
    scale = np.stack([width, height, width, height], axis=1)
    left, top, right, bottom = (boxes_ltrb.astype(np.float64) * scale).T
    rows = np.asarray(images, dtype=np.float64)[image]
    return np.stack([rows, left, top, right - left, bottom - top, scores, labels.astype(np.float64)], axis=1)


def evaluate(truth: Truth, rows: Float64Array, *, protocol: Protocol = "every-image") -> Evaluation:
    """Evaluate detections: rows (D, 7) as from `detection_rows`, concatenated over batches; D may be 0.

    Every image of `truth` (from `load_annotations`) counts, with or without detections. Raises UsageError for an
    unknown protocol, DataError for a detection on an image that `truth` does not contain. Suppresses standard output of
    the whole process while it runs.
    """
    protocol = protocol_named(protocol)
    rows = counted_rows(truth, rows, protocol)
    judge_class = COCOeval if isinstance(truth, COCO) else _faster_coco_eval().COCOeval_faster
    with contextlib.redirect_stdout(io.StringIO()):
        judge = judge_class(truth, as_detections(truth, rows), iouType="bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    figures = dict(zip_equal(_FIGURES, map(float, judge.stats)))
    return Evaluation(protocol=protocol, images=len(truth.getImgIds()), detections=len(rows), **figures)


# The order of COCOeval.stats.
_FIGURES = (
    *("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"),
    *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
)


def counted_rows(truth: Truth, rows: Float64Array, protocol: Protocol) -> Float64Array:
    """The rows of detections that the protocol counts; DataError as `evaluate`."""
    unknown = np.setdiff1d(rows[:, 0], truth.getImgIds())
    if len(unknown):
        raise DataError(
            f"detections on {len(unknown)} images without a record in the annotations: row {unknown[0]:.0f} ..."
        )
    if protocol == "published":
        annotated = [annotation["image_id"] for annotation in truth.dataset["annotations"]]
        rows = rows[np.isin(rows[:, 0], annotated)]
    return rows


def as_detections(truth: Truth, rows: Float64Array) -> Any:
    """Rows of detections as an object of the engine of `truth`."""
    if len(rows):
        return truth.loadRes(np.asarray(rows, dtype=np.float64))
    none = type(truth)()  # loadRes needs at least one detection
    none.dataset = {**truth.dataset, "annotations": []}
    none.createIndex()
    return none
