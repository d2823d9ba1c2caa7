"""Default boxes, box coder, matcher and decoder of SSD300 v1.1.

Coordinates are fractions of the image side. A name ends in its format: `_cxcywh` (centre, width, height) or `_ltrb`
(left, top, right, bottom). Label 0 is background, 1..80 are the classes. All arithmetic is in float32.

Sources: Liu et al., SSD (arXiv:1512.02325); NVIDIA, "SSD v1.1 for PyTorch" (NGC).
"""

from __future__ import annotations

import functools
import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ssdbench.compatibility import zip_equal
from ssdbench.ssd.suppression import suppress
from ssdbench.ssd.torch_api import constant_when_compiled, where

Order = Literal["cxcywh", "ltrb"]

IMAGE_SIDE = 300  # pixels; steps and scales below are in the same unit
MAP_SIDES = (38, 19, 10, 5, 3, 1)
STEPS = (8, 16, 32, 64, 100, 300)
SCALES = (21, 45, 99, 153, 207, 261, 315)
ASPECT_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))

SHAPES_PER_LEVEL = tuple(2 + 2 * len(ratios) for ratios in ASPECT_RATIOS)
BOX_COUNT = sum(k * side * side for k, side in zip_equal(SHAPES_PER_LEVEL, MAP_SIDES))
CLASS_COUNT = 81  # background and 80 COCO classes

MATCH_IOU = 0.5
CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2


class Detections(NamedTuple):
    """Detections in one image, best first: boxes (D, 4), labels (D,) int64 in 1..80, scores (D,) in (0, 1]."""

    boxes_ltrb: Tensor
    labels: Tensor
    scores: Tensor


def default_boxes(order: Order = "cxcywh") -> Tensor:
    """The 8732 default boxes, (8732, 4) float32 on the CPU; rows by level, shape, map row, map column.

    (cx, cy, w, h) is clamped to [0, 1]; (l, t, r, b) is computed from it and is not clamped.
    """
    if order not in ("cxcywh", "ltrb"):
        raise ValueError(f"order is 'cxcywh' or 'ltrb', not {order!r}")
    return _kept_default_boxes(order, torch.device("cpu")).clone()


def encode(boxes_cxcywh: Tensor) -> Tensor:
    """Regression targets of boxes (..., 8732, 4) against the default boxes, same shape.

    ((cx - cx_d) / w_d / 0.1, (cy - cy_d) / h_d / 0.1, ln(w / w_d) / 0.2, ln(h / h_d) / 0.2); a box must have an area.
    """
    boxes_cxcywh = boxes_cxcywh.float()
    defaults_cxcywh = _default_boxes("cxcywh", boxes_cxcywh.device)
    centre = (boxes_cxcywh[..., :2] - defaults_cxcywh[:, :2]) / defaults_cxcywh[:, 2:] / CENTRE_VARIANCE
    size = (boxes_cxcywh[..., 2:] / defaults_cxcywh[:, 2:]).log() / SIZE_VARIANCE
    return torch.cat([centre, size], dim=-1)


def match(boxes_ltrb: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Assign the ground truth of one image, boxes (G, 4) and labels (G,), to the default boxes; G may be 0.

    Returns boxes_cxcywh (8732, 4) float32 and labels (8732,) int64; an unmatched row holds its default box and 0.
    A default box takes its best ground truth if their IoU is above 0.5. In addition, each ground truth takes its best
    default box whatever the IoU. Ties are resolved as in DALI's BoxEncoder, so that every input pipeline gives the same
    targets: among equal ground truths and among equal default boxes, the last one wins; if two ground truths have the
    same best default box, the later one wins.
    """
    device = boxes_ltrb.device
    matched_cxcywh = _default_boxes("cxcywh", device).clone()
    matched_labels = torch.zeros(BOX_COUNT, dtype=torch.int64, device=device)
    boxes_ltrb = boxes_ltrb.float().reshape(-1, 4)
    if len(boxes_ltrb) == 0:
        return matched_cxcywh, matched_labels

    # `max` returns the first of equal values: in reverse order that is the last.
    boxes_ltrb, labels = boxes_ltrb.flip(0), labels.flip(0).to(torch.int64)
    boxes_cxcywh = _to_cxcywh(boxes_ltrb)
    iou = _iou(boxes_ltrb, *_reversed_defaults(device))
    overlapping = (iou.amax(0) > MATCH_IOU).nonzero()[:, 0]
    best_truth = iou[:, overlapping].max(0).indices
    best_default = iou.max(1).indices
    # Assignment through duplicate indices has no defined winner, so all that claim a default box write the same value.
    truths = torch.arange(len(iou), device=device)
    winner = where(best_default[:, None] == best_default, truths, len(iou)).amin(1)
    for rows, owner in ((overlapping, best_truth), (best_default, winner)):
        matched_cxcywh[BOX_COUNT - 1 - rows] = boxes_cxcywh[owner]
        matched_labels[BOX_COUNT - 1 - rows] = labels[owner]
    return matched_cxcywh, matched_labels


@torch.no_grad()
def decode(
    loc: Tensor, logits: Tensor, score_threshold: float = 0.05, iou_threshold: float = 0.5, top_k: int = 200
) -> list[Detections]:
    """Detections of a batch from the model's output, box regression (N, 4, 8732) and class logits (N, 81, 8732).

    For each class except background: take scores above `score_threshold`, of these the best `top_k`, then greedy NMS,
    which keeps a box if its IoU with every kept box is below `iou_threshold`. Then take the best `top_k` of the image
    over all classes, best first; equal scores are ordered by class, then by default box. Boxes are not clipped to the
    image. A default box whose regression or logits are not finite gives no detection and does not affect others; check
    the model's output to notice it.
    """
    # A single image stays in a CPU's cache; a GPU processes all images at once.
    images = 1 if loc.device.type == "cpu" else max(1, len(loc))
    found: list[Detections] = []
    for part in zip_equal(torch.split(loc, images), torch.split(logits, images)):
        found += _decode(*part, score_threshold, iou_threshold, top_k)
    return found


class _Candidates(NamedTuple):
    """Boxes (M, 4) with scores (M,), by ascending group (M,): `column` (class - 1) times the images, plus the image."""

    boxes_ltrb: Tensor
    scores: Tensor
    column: Tensor
    image: Tensor
    group: Tensor

    def take(self, rows: Tensor) -> _Candidates:
        return _Candidates(*(values[rows] for values in self))


def _decode(loc: Tensor, logits: Tensor, score_threshold: float, iou_threshold: float, top_k: int) -> list[Detections]:
    """`decode` for all images of the batch at once.

    On a GPU the number of operations does not depend on the number of images, and the host waits about eight times: for
    the default boxes with candidates, the candidates, their group sizes, the cut to `top_k` if needed, at least twice
    in NMS, and for the number of detections per image.
    """
    candidates = _candidates(loc, logits, score_threshold)
    groups = torch.arange((CLASS_COUNT - 1) * len(loc) + 1, device=loc.device)
    bounds = torch.searchsorted(candidates.group, groups)
    sizes = bounds.diff().cpu().numpy()
    if sizes.max(initial=0) > top_k:
        candidates = candidates.take(_best_of_groups(candidates, bounds, top_k))
        sizes = sizes.clip(max=top_k)

    found = candidates.take(suppress(candidates.boxes_ltrb, candidates.scores, candidates.group, sizes, iou_threshold))
    # Stable: equal scores keep the order of the candidates, by class, then by default box.
    order = found.scores.sort(descending=True, stable=True).indices
    found = found.take(order[found.image[order].sort(stable=True).indices])
    ends: list[int] = torch.searchsorted(found.image, groups[: len(loc) + 1]).tolist()
    parts = (found.boxes_ltrb, found.column + 1, found.scores)
    return [
        Detections(*(values[begin : min(end, begin + top_k)] for values in parts)) for begin, end in zip(ends, ends[1:])
    ]


def _candidates(loc: Tensor, logits: Tensor, score_threshold: float) -> _Candidates:
    """All scores above the threshold with finite boxes, ordered by class, image and default box."""
    scores = logits.float().softmax(1)[:, 1:]
    # Few default boxes have any score above the threshold: only these are processed further.
    image, default = (scores.amax(1) > score_threshold).nonzero(as_tuple=True)
    scores = scores[image, :, default].T
    boxes_ltrb = _regress(loc[image, :, default], default)
    column, row = ((scores > score_threshold) & boxes_ltrb.isfinite().all(1)).nonzero(as_tuple=True)
    return _Candidates(boxes_ltrb[row], scores[column, row], column, image[row], column * len(loc) + image[row])


def _best_of_groups(candidates: _Candidates, bounds: Tensor, top_k: int) -> Tensor:
    """Rows of the best `top_k` of each group, ascending; of equal scores the lower default box."""
    order = candidates.scores.sort(descending=True, stable=True).indices
    order = order[candidates.group[order].sort(stable=True).indices]
    rank = torch.arange(len(order), device=order.device) - bounds[candidates.group[order]]
    return order[rank < top_k].sort().values


def _regress(loc: Tensor, default: Tensor) -> Tensor:
    """The inverse of `encode`: box regression (M, 4) of the default boxes in rows (M,) to boxes_ltrb (M, 4)."""
    loc, defaults_cxcywh = loc.float(), _default_boxes("cxcywh", loc.device)[default]
    centre = defaults_cxcywh[:, :2] + loc[:, :2] * CENTRE_VARIANCE * defaults_cxcywh[:, 2:]
    size = defaults_cxcywh[:, 2:] * (loc[:, 2:] * SIZE_VARIANCE).exp()
    return _to_ltrb(torch.cat([centre, size], dim=1))


def _iou(boxes_ltrb: Tensor, others_ltrb: Tensor, others_area: Tensor) -> Tensor:
    """Intersection over union, (A, 4) and (B, 4) to (A, B), in DALI's order of operations: equal bit for bit."""
    left, top, right, bottom = boxes_ltrb[:, :, None].unbind(1)
    other_left, other_top, other_right, other_bottom = others_ltrb.unbind(1)
    width = torch.minimum(right, other_right).sub_(torch.maximum(left, other_left)).clamp_(min=0)
    height = torch.minimum(bottom, other_bottom).sub_(torch.maximum(top, other_top)).clamp_(min=0)
    intersection = width.mul_(height)
    union = (_area(boxes_ltrb)[:, None] + others_area).sub_(intersection)
    return intersection.div_(union)


def _area(boxes_ltrb: Tensor) -> Tensor:
    left, top, right, bottom = boxes_ltrb.unbind(1)
    return (right - left) * (bottom - top)


def _to_cxcywh(boxes_ltrb: Tensor) -> Tensor:
    left_top, right_bottom = boxes_ltrb[..., :2], boxes_ltrb[..., 2:]
    return torch.cat([(left_top + right_bottom) * 0.5, right_bottom - left_top], dim=-1)


def _to_ltrb(boxes_cxcywh: Tensor) -> Tensor:
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


@constant_when_compiled
def _default_boxes(order: Order, device: torch.device) -> Tensor:
    """The shared, read-only copy on a device. A compiled graph holds it as a constant."""
    return _kept_default_boxes(order, device)


@functools.lru_cache(maxsize=None)
def _kept_default_boxes(order: Order, device: torch.device) -> Tensor:
    """Cached, so that no step builds or copies them again."""
    # A tensor created in inference mode could not be used in training afterwards.
    with torch.inference_mode(False):
        if order == "ltrb":
            return _to_ltrb(_kept_default_boxes("cxcywh", device))
        levels = zip_equal(MAP_SIDES, STEPS, SCALES[:-1], SCALES[1:], ASPECT_RATIOS)
        boxes_cxcywh = torch.cat([_level(*level) for level in levels])
        return boxes_cxcywh.float().clamp(0, 1).to(device)


@functools.lru_cache(maxsize=None)
def _reversed_defaults(device: torch.device) -> tuple[Tensor, Tensor]:
    """Default boxes from last to first, (8732, 4) ltrb by planes as `_iou` reads them, and areas; read only."""
    with torch.inference_mode(False):
        defaults_ltrb = _kept_default_boxes("ltrb", device).flip(0).T.contiguous().T
        return defaults_ltrb, _area(defaults_ltrb)


def _level(side: int, step: int, scale: int, next_scale: int, ratios: tuple[int, ...]) -> Tensor:
    """The default boxes of one feature map, (k * side * side, 4) cxcywh in float64, not clamped."""
    size, next_size = scale / IMAGE_SIDE, next_scale / IMAGE_SIDE
    shapes = [(size, size), (math.sqrt(size * next_size),) * 2]
    for root in map(math.sqrt, ratios):
        shapes += [(size * root, size / root), (size / root, size * root)]
    wh = torch.tensor(shapes, dtype=torch.float64, device="cpu")
    centres = (torch.arange(side, dtype=torch.float64, device="cpu") + 0.5) * step / IMAGE_SIDE
    cy, cx = centres[:, None].expand(side, side), centres.expand(side, side)
    grid = (len(shapes), side, side, 2)
    return torch.cat([torch.stack([cx, cy], dim=-1).expand(grid), wh[:, None, None].expand(grid)], dim=-1).reshape(
        -1, 4
    )
