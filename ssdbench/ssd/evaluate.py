"""COCO bounding-box evaluation by pycocotools: decoded detections in, the twelve standard figures out."""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from ssdbench.errors import DataError, UsageError

Protocol = Literal["every-image", "published"]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """COCO's figures for boxes, in [0, 1]; -1 where the ground truth has no object of that size (as COCO says it).

    AP is averaged over IoU .50:.95 unless a name says otherwise, with at most 100 detections an image. AR at 1, 10
    and 100 detections an image. Small is below 32x32 pixels, large above 96x96.

    Protocol "every-image" counts every detection. "published" runs no detection on images without annotation (48 of
    the 5,000 of val2017), so counts no false positive there: its AP can only be the same or higher.
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


def load_annotations(path: str | os.PathLike[str]) -> COCO:
    """A COCO annotation file, for `evaluate`; DataError for anything else."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return COCO(os.fspath(path))
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(f"{os.fspath(path)}: not a COCO annotation file ({error!r})") from error


def detection_rows(
    decoded: Sequence[tuple[Tensor, Tensor, Tensor]],
    image_ids: Sequence[int],
    image_sizes: Sequence[tuple[int, int]],
    category_ids: Sequence[int],
) -> Array:
    """The output of `ssdbench.ssd.boxes.decode` as rows (D, 7): image id, left, top, width, height, score, category id.

    `image_sizes` are (height, width) in pixels, as the boxes will be; `category_ids[k - 1]` is the category of label k,
    in the order of the annotation file. One image, id and size for each entry of `decoded`.
    """
    if not len(decoded) == len(image_ids) == len(image_sizes):
        raise ValueError(f"{len(decoded)} images, {len(image_ids)} ids and {len(image_sizes)} sizes")
    if not decoded:
        return np.empty((0, 7))
    boxes_ltrb, labels, scores = (torch.cat(part).cpu().numpy() for part in zip(*decoded, strict=True))
    image = np.repeat(np.arange(len(decoded)), [len(part[2]) for part in decoded])
    height, width = np.asarray(image_sizes, dtype=np.float64)[image].T
    scale = np.stack([width, height, width, height], axis=1)
    left, top, right, bottom = (boxes_ltrb.astype(np.float64) * scale).T
    ids = np.asarray(image_ids, dtype=np.float64)[image]
    categories = np.asarray(category_ids, dtype=np.float64)[labels - 1]
    return np.stack([ids, left, top, right - left, bottom - top, scores, categories], axis=1)


def evaluate(truth: COCO, rows: Array, *, protocol: Protocol = "every-image") -> Evaluation:
    """Judge detections, rows as from `detection_rows` (concatenated over batches; there may be none).

    Every image of `truth` counts, with or without detections. Raises UsageError for an unknown protocol, DataError for
    a detection on an image that `truth` does not have. Standard output is held back meanwhile, for the whole process.
    """
    if protocol not in get_args(Protocol):
        raise UsageError(f"protocol {protocol!r} does not exist; choose one of {', '.join(get_args(Protocol))}")
    unknown = np.setdiff1d(rows[:, 0], truth.getImgIds())
    if len(unknown):
        raise DataError(
            f"detections on {len(unknown)} images without a record in the annotations: {unknown[0]:.0f} ..."
        )
    if protocol == "published":
        annotated = [annotation["image_id"] for annotation in truth.dataset["annotations"]]
        rows = rows[np.isin(rows[:, 0], annotated)]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, _detections(truth, rows), iouType="bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    figures = dict(zip(_FIGURES, map(float, judge.stats), strict=True))
    return Evaluation(protocol=protocol, images=len(truth.getImgIds()), detections=len(rows), **figures)


# The order of COCOeval.stats.
_FIGURES = (
    *("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"),
    *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
)


def _detections(truth: COCO, rows: Array) -> Any:
    if len(rows):
        return truth.loadRes(np.asarray(rows, dtype=np.float64))
    none = COCO()  # loadRes looks into the first detection
    none.dataset = {**truth.dataset, "annotations": []}
    none.createIndex()
    return none
