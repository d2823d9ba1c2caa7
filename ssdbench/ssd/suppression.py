"""Greedy non-maximum suppression (NMS) within many groups at once, a group being one class of one image.

torchvision's `batched_nms` is not used: from some number of boxes on it loops over the groups, on a GPU with hundreds
of operations and a wait for each image. And its CUDA kernel goes through the boxes one after the other, so 20,000 of a
batch take longer than all else of decoding, although boxes of different groups have nothing to do with each other.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import nms

_REACH = 16.0  # image sides; beyond it a box is cut, for the comparison only
# Boxes in one call of NMS on a CPU; a group that has more is one call all the same. A call compares its boxes pair by
# pair, whatever their groups: of 1 to 10,000, about 200 took the least time at 50 to 4,000 candidates an image.
_BOXES_PER_CALL = 200
_PAIRS_AT_ONCE = 4_000_000  # on a GPU, at about 100 bytes a pair
_ROUNDS_PER_WAIT = 4


def suppress(
    boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: NDArray[np.int64], iou_threshold: float
) -> Tensor:
    """Rows, ascending, of boxes (M, 4) that NMS keeps; a box is suppressed from an IoU of `iou_threshold` on.

    Rows go by ascending `group` (M,), and `sizes` are the groups' numbers of rows, those of empty groups too or not. Of
    equal scores (M,) the earlier row is the better. Overlaps are computed in float64.

    A CPU calls torchvision's NMS for some groups at a time, a GPU compares all pairs of all groups at once: with the
    same result, each is several times faster there than the other.
    """
    function = _suppress_by_calls if boxes_ltrb.device.type == "cpu" else _suppress_by_pairs
    boxes_ltrb = boxes_ltrb.double().clamp(-_REACH, _REACH)
    # torchvision suppresses above the threshold, we from it on: hence the next lower number. The next float32, because
    # that is the resolution of the coordinates.
    threshold = float(np.nextafter(np.float32(iou_threshold), np.float32(-math.inf)))
    return function(boxes_ltrb, scores, group, sizes, threshold)


def _suppress_by_calls(
    boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: NDArray[np.int64], threshold: float
) -> Tensor:
    """One call of NMS for some whole groups, each moved to a place of its own.

    Three things must hold for that to change nothing. (a) float64: beside an offset of thousands, float32 keeps three
    decimals of a coordinate below 1. (b) No negative coordinates, or a group reaches into the one before. (c) No giant
    ones, or groups overlap.
    """
    boxes_ltrb = boxes_ltrb + (_REACH + 4 * _REACH * group)[:, None]
    scores = scores.double()
    kept = [nms(boxes_ltrb[rows], scores[rows], threshold) + rows.start for rows in _runs(sizes, _BOXES_PER_CALL)]
    return torch.cat([group[:0], *kept]).sort().values


def _runs(sizes: NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Rows of whole groups, together at most `limit`; of one group where that has more."""
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
    boxes_ltrb: Tensor, scores: Tensor, group: Tensor, sizes: NDArray[np.int64], threshold: float
) -> Tensor:
    """All pairs of boxes within their groups, then round after round which boxes stay.

    A box stays where no better box of its group overlaps it and stays itself. Begun with all, every round settles the
    boxes whose better ones are settled, so a round that changes nothing has the result of the greedy loop. The rounds
    are as many as the longest chain of boxes of which each suppresses the next: a few.
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[group[order].argsort(stable=True)]
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
    """Intersection over union of two boxes in the same row, (P, 4) and (P, 4) to (P,)."""
    left_top = torch.maximum(boxes_ltrb[:, :2], others_ltrb[:, :2])
    right_bottom = torch.minimum(boxes_ltrb[:, 2:], others_ltrb[:, 2:])
    width, height = (right_bottom - left_top).clamp(min=0).unbind(1)
    intersection = width * height
    return intersection / (_area(boxes_ltrb) + _area(others_ltrb) - intersection)


def _area(boxes_ltrb: Tensor) -> Tensor:
    left, top, right, bottom = boxes_ltrb.unbind(1)
    return (right - left) * (bottom - top)
