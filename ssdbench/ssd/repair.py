"""Repairs annotations: clips boxes to their image, drops those without an area, replaces areas that cannot be."""

from __future__ import annotations

import numpy as np

from ssdbench.compatibility import dataclass
from ssdbench.ssd.annotations import AnnotationTable
from ssdbench.ssd.arrays import BoolArray, Float32Array, Float64Array, Int64Array

MIN_SIDE_PX = 0.1  # the published pipeline drops smaller boxes (DALI's size_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedBoxes:
    """The boxes (B) of a table after repair, with flags for those that were clipped and those to drop."""

    boxes_xywh: Float64Array  # (B, 4) pixels
    boxes_ltrb: Float32Array  # (B, 4) relative to the image, within [0, 1]
    clipped: BoolArray  # (B,)
    dropped: BoolArray  # (B,)
    image_rows: Int64Array  # (B,) row of the box's image in the table, -1 if it has none
    areas: Float64Array  # (B,) square pixels of the object; of its box where the file's area cannot be
    area_replaced: BoolArray  # (B,)


def repair_boxes(table: AnnotationTable) -> RepairedBoxes:
    """Clip every box to its image, and mark the boxes that have no area left.

    Computes in float32 and in DALI's order: right = left + width, then divided by the width of the image. The result
    must be within [0, 1], because a thousandth of a pixel beyond the edge stops `random_bbox_crop`. It is: the rounding
    of `width = right - left` changes the sum by at most half a unit in the last place of `right`, which rounds back to
    at most the image's side, an integer. Boxes that need no repair keep every digit.
    """
    image_rows = rows_of(table.box_image_ids, table.image_ids)
    known = image_rows >= 0
    sizes_wh = np.ones((len(image_rows), 2), np.float32)
    sizes_wh[known] = table.sizes_wh[image_rows[known]]
    with np.errstate(
        invalid="ignore", over="ignore", divide="ignore"
    ):  # boxes that are not finite are reported elsewhere, not repaired
        start, extent = np.split(table.boxes_xywh.astype(np.float32), 2, axis=1)
        end = start + extent
        inner_start = start.clip(0, sizes_wh)
        inner_extent = end.clip(0, sizes_wh) - inner_start
        boxes_ltrb = np.concatenate([inner_start / sizes_wh, (inner_start + inner_extent) / sizes_wh], axis=1)
        outside = ((start < 0) | (end > sizes_wh)).any(axis=1)
        dropped = ~(inner_extent >= np.float32(MIN_SIDE_PX)).all(axis=1)
    clipped = outside & ~dropped & known
    boxes_xywh = table.boxes_xywh.copy()
    boxes_xywh[clipped] = np.concatenate([inner_start, inner_extent], axis=1)[clipped]
    # A box that reaches beyond its image may have been annotated with all of its area.
    limit = np.fmax(sizes_wh.astype(np.float64).prod(axis=1), table.boxes_xywh[:, 2:].prod(axis=1))
    area_replaced = ~((table.areas >= 0) & (table.areas <= limit))
    return RepairedBoxes(
        boxes_xywh=boxes_xywh,
        boxes_ltrb=boxes_ltrb,
        clipped=clipped,
        dropped=dropped,
        image_rows=image_rows,
        areas=np.where(area_replaced, boxes_xywh[:, 2:].prod(axis=1), table.areas),
        area_replaced=area_replaced & known,
    )


def rows_of(ids: Int64Array, known_ids: Int64Array) -> Int64Array:
    """The row of each id in `known_ids`, -1 if it is not there."""
    if not len(known_ids):
        return np.full(len(ids), -1, np.int64)
    order = np.argsort(known_ids, kind="stable")
    place = np.searchsorted(known_ids, ids, sorter=order).clip(max=len(known_ids) - 1)
    rows = order[place]
    return np.where(known_ids[rows] == ids, rows, -1)
