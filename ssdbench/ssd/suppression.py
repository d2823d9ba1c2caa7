"""Greedy non-maximum suppression (NMS) in many groups at once; a group is one class of one image.

torchvision's `batched_nms` is not used: above some number of boxes it loops over the groups, which on a GPU means
hundreds of operations and a synchronisation per image. Its CUDA kernel also processes boxes one after the other: 20,000
boxes of a batch take longer than all other decoding, although boxes of different groups do not interact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from ssdbench.ssd.arrays import Int64Array

_REACH = 16.0  # image sides; boxes are clipped to this range, for the comparison only
# Boxes per call of NMS on a CPU; a larger group is still one call. A call compares all pairs of its boxes, whatever
# their groups: of limits from 1 to 10,000, about 200 was fastest at 50 to 4,000 candidates per image.
_BOXES_PER_CALL = 200
_PAIRS_AT_ONCE = 4_000_000  # on a GPU, at about 100 bytes per pair
_ROUNDS_PER_WAIT = 4


def suppress(boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: Int64Array, iou_threshold: float) -> Tensor:
    """Rows, ascending, of the boxes (M, 4) that NMS keeps; an IoU of `iou_threshold` or more suppresses a box.

    Rows are sorted by `group` (M,), and `sizes` are the groups' numbers of rows; empty groups may be omitted. Among
    equal scores (M,) the earlier row wins. Overlaps are computed in float64.

    On a CPU this calls torchvision's NMS for some groups at a time, on a GPU it compares all pairs of all groups at
    once. The results are equal, and each method is several times faster on its device than the other.
    """
    function = _suppress_by_calls if boxes_ltrb.device.type == "cpu" else _suppress_by_pairs
    boxes_ltrb = boxes_ltrb.double().clamp(-_REACH, _REACH)
    # torchvision suppresses above the threshold, we also at it: hence the next lower number, in float32 because that is
    # the resolution of the coordinates.
    threshold = float(np.nextafter(np.float32(iou_threshold), np.float32(-math.inf)))
    return function(boxes_ltrb, scores, group, sizes, threshold)


def _suppress_by_calls(
    boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: Int64Array, threshold: float
) -> Tensor:
    """One call of NMS for several complete groups, which are shifted so that they do not overlap.

    For the result to stay the same: (a) use float64, because with an offset of thousands float32 keeps only three
    decimals of a coordinate below 1; (b) have no negative coordinates, or a group reaches into the one before; (c) have
    no huge coordinates, or groups overlap.
    """
    boxes_ltrb = boxes_ltrb + (_REACH + 4 * _REACH * group)[:, None]
    scores = scores.double()
    kept = [nms(boxes_ltrb[rows], scores[rows], threshold) + rows.start for rows in _runs(sizes, _BOXES_PER_CALL)]
    return torch.cat([group[:0], *kept]).sort().values


def _runs(sizes: Int64Array, limit: int) -> Iterator[slice]:
    """Slices of complete groups with at most `limit` rows together, or of one group with more."""
    ends = np.cumsum(sizes)
    begin, total = 0, int(sizes.sum())
    while begin < total:
        last = np.searchsorted(ends, begin + limit, side="right") - 1
        if last < 0 or ends[last] <= begin:
            last = np.searchsorted(ends, begin, side="right")
        end = int(ends[last])
        yield slice(begin, end)
        begin = end


def _suppress_by_pairs(
    boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: Int64Array, threshold: float
) -> Tensor:
    """Compare all pairs of boxes within their groups, then find in rounds which boxes stay.

    A box stays if no better box of its group that overlaps it stays. Starting with all boxes, every round settles those
    whose better boxes are settled, so a round without changes has the result of the greedy loop. The number of rounds
    is the length of the longest chain in which each box suppresses the next: a few.
    """
    order = scores.sort(descending=True, stable=True).indices
    order = order[group[order].sort(stable=True).indices]
    boxes_ltrb = boxes_ltrb[order]
    first = torch.searchsorted(group, group)  # the best row of a row's group
    better = torch.arange(len(group), device=group.device) - first
    last_pair = better.cumsum(0)
    pairs = int((sizes * (sizes - 1) // 2).sum())
    overlaps = [torch.stack([order[:0], order[:0]])]
    for begin in range(0, pairs, _PAIRS_AT_ONCE):
        pair = torch.arange(begin, min(pairs, begin + _PAIRS_AT_ONCE), device=group.device)
        row = torch.searchsorted(last_pair, pair, right=True)
        other = pair - (last_pair - better)[row] + first[row]
        overlaps.append(torch.stack([row, other])[:, _iou(boxes_ltrb[row], boxes_ltrb[other]) > threshold])
    row, other = torch.cat(overlaps, dim=1)

    stays = torch.ones(len(group), dtype=torch.bool, device=group.device)
    while True:
        for _ in range(_ROUNDS_PER_WAIT):
            before = stays
            stays = torch.zeros_like(order).index_add_(0, row, before[other].to(order.dtype)) == 0
        if torch.equal(stays, before):
            return order[stays].sort().values


def _iou(boxes_ltrb: Tensor, others_ltrb: Tensor) -> Tensor:
    """Row-wise intersection over union of (P, 4) and (P, 4), giving (P,)."""
    left_top = torch.maximum(boxes_ltrb[:, :2], others_ltrb[:, :2])
    right_bottom = torch.minimum(boxes_ltrb[:, 2:], others_ltrb[:, 2:])
    width, height = (right_bottom - left_top).clamp(min=0).unbind(1)
    intersection = width * height
    return intersection / (_area(boxes_ltrb) + _area(others_ltrb) - intersection)


def _area(boxes_ltrb: Tensor) -> Tensor:
    left, top, right, bottom = boxes_ltrb.unbind(1)
    return (right - left) * (bottom - top)
