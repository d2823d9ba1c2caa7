"""Which detections of an evaluation are right: all that AP is computed from, so that resampled images can be judged.

AP ranks the detections of all images together, so it is no mean over images. pycocotools matches detections with
objects image by image, which no resampling changes; only the ranking has to be done again.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ssdbench.atomic import atomic_file
from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.evaluate import Protocol, Truth, as_detections, counted_rows

RIGHT, IGNORED = 1, 2
MOST_PER_IMAGE = 100


def match(truth: Truth, rows: Float64Array, *, protocol: Protocol) -> dict[str, Any]:
    """Match detections, rows (D, 7) as from `detection_rows`, with the objects of `truth` (from pycocotools).

    K categories and I images, in the order of `truth`; of T thresholds of IoU each. The result is made of arrays:
    `images` (M,), the image of each detection, by category and there best first, in the order of pycocotools; `bounds`
    (K + 1,), where the detections of a category begin; `states` (T, M), 1 where a detection is right, 2 where it does
    not count (it is on a crowd), else 0; `objects` (I, K), the objects that are to be found.
    """
    assert isinstance(truth, COCO)
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, as_detections(truth, counted_rows(truth, rows, protocol)), iouType="bbox")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [MOST_PER_IMAGE]
        judge.evaluate()
    row_of = {image: row for row, image in enumerate(sorted(truth.getImgIds()))}
    categories, images = len(judge.params.catIds), len(judge.params.imgIds)
    objects = np.zeros((len(row_of), categories), dtype=np.int32)
    found: list[Any] = []
    for category in range(categories):
        judged = [item for item in judge.evalImgs[category * images : (category + 1) * images] if item is not None]
        for item in judged:
            objects[row_of[item["image_id"]], category] = np.count_nonzero(np.asarray(item["gtIgnore"]) == 0)
        found.append(_ranked(judged, row_of, len(judge.params.iouThrs)))
    return {
        "images": np.concatenate([images for images, _ in found]),
        "bounds": np.cumsum([0, *(len(images) for images, _ in found)]),
        "states": np.concatenate([states for _, states in found], axis=1),
        "objects": objects,
    }


def _ranked(judged: list[Any], row_of: dict[int, int], thresholds: int) -> Any:
    """The image and the states of each detection of one category, best first, as `COCOeval.accumulate` orders them."""
    if not judged:
        return np.empty(0, dtype=np.int32), np.empty((thresholds, 0), dtype=np.int8)
    images = np.concatenate([np.full(len(item["dtScores"]), row_of[item["image_id"]], np.int32) for item in judged])
    order = np.argsort(-np.concatenate([item["dtScores"] for item in judged]), kind="mergesort")
    matched = np.concatenate([item["dtMatches"] for item in judged], axis=1)[:, order]
    ignored = np.concatenate([item["dtIgnore"] for item in judged], axis=1)[:, order].astype(bool)
    states = np.where(ignored, IGNORED, np.where(matched != 0, RIGHT, 0)).astype(np.int8)
    return images[order], states


def write_matches(path: Path, matches: dict[str, Any]) -> None:
    """Write the arrays of `match` to an .npz file, whole or not at all."""
    with atomic_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **matches)
