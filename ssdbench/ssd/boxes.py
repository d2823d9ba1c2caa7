"""Default boxes, box coder, matcher and decoder of SSD300 v1.1.

Coordinates are fractions of the image side. A name ends in its format: `_cxcywh` (centre, width, height) or `_ltrb`
(left, top, right, bottom). Label 0 is background, 1..80 are the classes. All arithmetic is float32, whatever comes in.

Sources: Liu et al., SSD (arXiv:1512.02325); NVIDIA, "SSD v1.1 for PyTorch" (NGC).
"""

import functools
import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms

Order = Literal["cxcywh", "ltrb"]

IMAGE_SIDE = 300  # pixels; steps and scales below are in the same unit
MAP_SIDES = (38, 19, 10, 5, 3, 1)
STEPS = (8, 16, 32, 64, 100, 300)
SCALES = (21, 45, 99, 153, 207, 261, 315)
ASPECT_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))

SHAPES_PER_LEVEL = tuple(2 + 2 * len(ratios) for ratios in ASPECT_RATIOS)
BOX_COUNT = sum(k * side * side for k, side in zip(SHAPES_PER_LEVEL, MAP_SIDES, strict=True))
CLASS_COUNT = 81  # background and 80 COCO classes

MATCH_IOU = 0.5
CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2

_REACH = 16.0  # image sides; see _suppress


class Detections(NamedTuple):
    """What was found in one image, best first: boxes (D, 4), labels (D,) int64 in 1..80, scores (D,) in (0, 1]."""

    boxes_ltrb: Tensor
    labels: Tensor
    scores: Tensor


def default_boxes(order: Order = "cxcywh") -> Tensor:
    """The 8732 default boxes, (8732, 4) float32 on the CPU; rows by level, shape, map row, map column.

    (cx, cy, w, h) is clamped to [0, 1]; (l, t, r, b) is computed from it and is not clamped.
    """
    if order not in ("cxcywh", "ltrb"):
        raise ValueError(f"order is 'cxcywh' or 'ltrb', not {order!r}")
    return _default_boxes(order, torch.device("cpu")).clone()


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
    A default box takes its best ground truth if their IoU is above 0.5; besides, each ground truth takes its best
    default box whatever the IoU. Ties are settled as DALI's BoxEncoder does, so that every input pipeline gives the
    same targets: of equal ground truths, and of equal default boxes, the last; of two ground truths that want the
    same default box, the later.
    """
    device = boxes_ltrb.device
    defaults_cxcywh, defaults_ltrb = _default_boxes("cxcywh", device), _default_boxes("ltrb", device)
    boxes_ltrb = boxes_ltrb.float().reshape(-1, 4)
    if len(boxes_ltrb) == 0:
        return defaults_cxcywh.clone(), torch.zeros(BOX_COUNT, dtype=torch.int64, device=device)

    iou = _iou(boxes_ltrb, defaults_ltrb)
    best_truth = torch.where(iou.amax(0) > MATCH_IOU, _last_argmax(iou, 0), -1)
    # Assignment through duplicate indices has no defined winner; a maximum over positions has.
    forced = torch.full_like(best_truth, -1).scatter_reduce_(
        0, _last_argmax(iou, 1), torch.arange(len(iou), device=device), "amax"
    )
    owner = torch.where(forced >= 0, forced, best_truth)
    matched, owner = owner >= 0, owner.clamp(min=0)
    return (
        torch.where(matched[:, None], _to_cxcywh(boxes_ltrb)[owner], defaults_cxcywh),
        torch.where(matched, labels.to(torch.int64)[owner], 0),
    )


@torch.no_grad()
def decode(
    loc: Tensor, logits: Tensor, score_threshold: float = 0.05, iou_threshold: float = 0.5, top_k: int = 200
) -> list[Detections]:
    """Detections of a batch from the model's output, box regression (N, 4, 8732) and class logits (N, 81, 8732).

    Per class but background: scores above `score_threshold`, the best `top_k` of them, greedy NMS that keeps a box
    while its IoU with every kept one is below `iou_threshold`; then the best `top_k` of the image over all classes.
    Best first; of equal scores the lower class, then the lower default box. Boxes are not clipped to the image. A
    default box whose regression or logits are not finite gives no detection and disturbs no other; whoever must know
    of it looks at the model's output.
    """
    boxes_ltrb = _regress(loc)
    scores = logits.float().softmax(1)[:, 1:]
    eligible = (scores > score_threshold) & boxes_ltrb.isfinite().all(2)[:, None]
    best, default = scores.masked_fill(~eligible, -math.inf).topk(min(top_k, scores.shape[2]), dim=2, sorted=False)
    default, order = default.sort(dim=2)  # topk gives equal scores in any order; NMS and the sort below are stable
    best = best.gather(2, order)
    image, column, rank = best.isfinite().nonzero(as_tuple=True)
    scores = best[image, column, rank]
    boxes_ltrb = boxes_ltrb[image, default[image, column, rank]]

    keep = _suppress(boxes_ltrb, scores, image * (CLASS_COUNT - 1) + column, iou_threshold)
    keep = keep[scores[keep].argsort(descending=True, stable=True)]
    keep = keep[image[keep].argsort(stable=True)]
    counts = torch.bincount(image[keep], minlength=len(loc))
    position = torch.arange(len(keep), device=loc.device) - (counts.cumsum(0) - counts)[image[keep]]
    keep = keep[position < top_k]

    sizes: list[int] = counts.clamp(max=top_k).tolist()
    parts = [torch.split(values[keep], sizes) for values in (boxes_ltrb, column + 1, scores)]
    return [Detections(*part) for part in zip(*parts, strict=True)]


def _regress(loc: Tensor) -> Tensor:
    """The inverse of `encode`: box regression (N, 4, 8732) to boxes_ltrb (N, 8732, 4)."""
    loc = loc.float().transpose(1, 2)
    defaults_cxcywh = _default_boxes("cxcywh", loc.device)
    centre = defaults_cxcywh[:, :2] + loc[..., :2] * CENTRE_VARIANCE * defaults_cxcywh[:, 2:]
    size = defaults_cxcywh[:, 2:] * (loc[..., 2:] * SIZE_VARIANCE).exp()
    return _to_ltrb(torch.cat([centre, size], dim=-1))


def _suppress(boxes_ltrb: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Greedy NMS within each group; the indices kept, ascending.

    `batched_nms` may move each group to a place of its own, by multiples of the largest coordinate. Three things must
    hold for that to change nothing. (a) float64: beside an offset of thousands, float32 keeps three decimals of a
    coordinate below 1. (b) No negative coordinates, or a group reaches into the one before. (c) No giant ones, or the
    offsets swallow the other boxes: beyond 16 image sides a box is cut, for the comparison only.

    torchvision suppresses above the threshold, we from it on: hence the next lower number. The next float32, because
    that is the resolution of the coordinates, and because the CUDA kernel holds its threshold as a float32.
    """
    threshold = float(np.nextafter(np.float32(iou_threshold), np.float32(-math.inf)))
    boxes_ltrb = boxes_ltrb.double().clamp(-_REACH, _REACH) + _REACH
    kept: Tensor = batched_nms(boxes_ltrb, scores.double(), groups, threshold)
    return kept.sort().values  # equal scores come in no stated order; candidates' own order is one


def _iou(boxes_ltrb: Tensor, others_ltrb: Tensor) -> Tensor:
    """Intersection over union, (A, 4) and (B, 4) to (A, B), in the order of operations of DALI: equal bit for bit."""
    left_top = torch.maximum(boxes_ltrb[:, None, :2], others_ltrb[:, :2])
    right_bottom = torch.minimum(boxes_ltrb[:, None, 2:], others_ltrb[:, 2:])
    intersection = (right_bottom - left_top).clamp(min=0).prod(2)
    union = _area(boxes_ltrb)[:, None] + _area(others_ltrb) - intersection
    return intersection / union


def _area(boxes_ltrb: Tensor) -> Tensor:
    return (boxes_ltrb[:, 2:] - boxes_ltrb[:, :2]).prod(1)


def _last_argmax(values: Tensor, dim: int) -> Tensor:
    """Index of the maximum along `dim`, the last of equals; `argmax` alone is defined to give the first."""
    return values.shape[dim] - 1 - values.flip(dim).argmax(dim)


def _to_cxcywh(boxes_ltrb: Tensor) -> Tensor:
    left_top, right_bottom = boxes_ltrb[..., :2], boxes_ltrb[..., 2:]
    return torch.cat([(left_top + right_bottom) * 0.5, right_bottom - left_top], dim=-1)


def _to_ltrb(boxes_cxcywh: Tensor) -> Tensor:
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


@functools.cache
def _default_boxes(order: Order, device: torch.device) -> Tensor:
    """The shared copy on a device: read only. Kept, so that a step neither builds nor copies them again."""
    # A tensor made under inference mode could not be used in training afterwards.
    with torch.inference_mode(False):
        if order == "ltrb":
            return _to_ltrb(_default_boxes("cxcywh", device))
        levels = zip(MAP_SIDES, STEPS, SCALES[:-1], SCALES[1:], ASPECT_RATIOS, strict=True)
        boxes_cxcywh = torch.cat([_level(*level) for level in levels])
        return boxes_cxcywh.float().clamp(0, 1).to(device)


def _level(side: int, step: int, scale: int, next_scale: int, ratios: tuple[int, ...]) -> Tensor:
    """The default boxes of one feature map, (k * side * side, 4) cxcywh in float64, not clamped."""
    size, next_size = scale / IMAGE_SIDE, next_scale / IMAGE_SIDE
    shapes = [(size, size), (math.sqrt(size * next_size),) * 2]
    for root in map(math.sqrt, ratios):
        shapes += [(size * root, size / root), (size / root, size * root)]
    wh = torch.tensor(shapes, dtype=torch.float64, device="cpu")
    centres = (torch.arange(side, dtype=torch.float64, device="cpu") + 0.5) * step / IMAGE_SIDE
    cy, cx = torch.meshgrid(centres, centres, indexing="ij")
    grid = (len(shapes), side, side, 2)
    return torch.cat([torch.stack([cx, cy], dim=-1).expand(grid), wh[:, None, None].expand(grid)], dim=-1).reshape(
        -1, 4
    )
