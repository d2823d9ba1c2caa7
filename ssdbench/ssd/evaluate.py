"""COCO bounding-box evaluation: from decoded detections to the twelve standard metrics.

pycocotools is the reference. The optional faster-coco-eval computes the same metrics several times faster.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from ssdbench.errors import DataError, EnvironmentLacksError, UsageError

Protocol = Literal["every-image", "published"]
CocoEngine = Literal["pycocotools", "faster-coco-eval"]
Array = npt.NDArray[np.float64]
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

    Without `iscrowd` an annotation is not a crowd; without `area` it has the area of its box. Annotations are
    renumbered from 1, because the engines mark an unmatched detection with 0. Raises DataError if it is not such a
    file, UsageError for an unknown engine, EnvironmentLacksError if the engine is not installed.
    """
    truth = _coco_class(engine)()
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  also takes what is no Path
            truth.dataset = json.load(file)
        for number, annotation in enumerate(truth.dataset["annotations"], start=1):
            _, _, width, height = annotation["bbox"]
            annotation.update(
                id=number, iscrowd=annotation.get("iscrowd", 0), area=annotation.get("area", width * height)
            )
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{os.fspath(path)}: not a COCO annotation file ({error!r})") from error
    return truth


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
    image_ids: Sequence[int],
    image_sizes: Sequence[tuple[int, int]],
    category_ids: Sequence[int],
) -> Array:
    """The output of `ssdbench.ssd.boxes.decode` as rows (D, 7): image id, left, top, width, height, score, category id.

    `image_sizes` are (height, width) in pixels, and so are the boxes in the result. `category_ids[k - 1]` is the
    category of label k, in the order of the annotation file. There is one id and size per entry of `decoded`. Labels
    beyond the file's categories (in a data set with fewer than 80) are omitted, because COCO evaluates only the file's
    categories.
    """
    if not len(decoded) == len(image_ids) == len(image_sizes):
        raise ValueError(f"{len(decoded)} images, {len(image_ids)} ids and {len(image_sizes)} sizes")
    if not decoded:
        return np.empty((0, 7))
    boxes_ltrb, labels, scores = (torch.cat(part).cpu().numpy() for part in zip(*decoded, strict=True))
    image = np.repeat(np.arange(len(decoded)), [len(part[2]) for part in decoded])
    known = labels <= len(category_ids)
    boxes_ltrb, labels, scores, image = boxes_ltrb[known], labels[known], scores[known], image[known]
    height, width = np.asarray(image_sizes, dtype=np.float64)[image].T
    scale = np.stack([width, height, width, height], axis=1)
    left, top, right, bottom = (boxes_ltrb.astype(np.float64) * scale).T
    ids = np.asarray(image_ids, dtype=np.float64)[image]
    categories = np.asarray(category_ids, dtype=np.float64)[labels - 1]
    return np.stack([ids, left, top, right - left, bottom - top, scores, categories], axis=1)


def evaluate(truth: Truth, rows: Array, *, protocol: Protocol = "every-image") -> Evaluation:
    """Evaluate detections: rows (D, 7) as from `detection_rows`, concatenated over batches; D may be 0.

    Every image of `truth` (from `load_annotations`) counts, with or without detections. Raises UsageError for an
    unknown protocol, DataError for a detection on an image that `truth` does not contain. Suppresses standard output of
    the whole process while it runs.
    """
    protocol = protocol_named(protocol)
    unknown = np.setdiff1d(rows[:, 0], truth.getImgIds())
    if len(unknown):
        raise DataError(
            f"detections on {len(unknown)} images without a record in the annotations: {unknown[0]:.0f} ..."
        )
    if protocol == "published":
        annotated = [annotation["image_id"] for annotation in truth.dataset["annotations"]]
        rows = rows[np.isin(rows[:, 0], annotated)]
    judge_class = COCOeval if isinstance(truth, COCO) else _faster_coco_eval().COCOeval_faster
    with contextlib.redirect_stdout(io.StringIO()):
        judge = judge_class(truth, _detections(truth, rows), iouType="bbox")
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


def _detections(truth: Truth, rows: Array) -> Any:
    if len(rows):
        return truth.loadRes(np.asarray(rows, dtype=np.float64))
    none = type(truth)()  # loadRes needs at least one detection
    none.dataset = {**truth.dataset, "annotations": []}
    none.createIndex()
    return none
