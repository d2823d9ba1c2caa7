"""Matching, loss and detection as Liu et al. (arXiv:1512.02325) tell them, step by step and loop by loop.

Equals are settled as in `ssdbench.ssd.boxes`, so that results can be compared row by row.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ssdbench.ssd.boxes import Detections, default_boxes

DEFAULTS_CXCYWH, DEFAULTS_LTRB = default_boxes("cxcywh"), default_boxes("ltrb")


def overlaps(boxes_ltrb: Tensor, others_ltrb: Tensor) -> Tensor:
    """IoU of all pairs, (A, 4) and (B, 4) to (A, B)."""
    left_top = torch.max(boxes_ltrb[:, None, :2], others_ltrb[None, :, :2])
    right_bottom = torch.min(boxes_ltrb[:, None, 2:], others_ltrb[None, :, 2:])
    size = (right_bottom - left_top).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    area, other_area = (
        (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (boxes_ltrb, others_ltrb)
    )
    return shared / (area[:, None] + other_area[None] - shared)


def match(boxes_ltrb: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """As `ssdbench.ssd.boxes.match`: first the best default box of each truth, then overlaps above one half."""
    iou = overlaps(boxes_ltrb, DEFAULTS_LTRB)
    best_overlap, best_truth = iou.flip(0).max(0)
    best_truth = len(iou) - 1 - best_truth
    best_default = iou.shape[1] - 1 - iou.flip(1).max(1).indices
    best_overlap[best_default] = 2.0
    for truth, default in enumerate(best_default.tolist()):
        best_truth[default] = truth

    matched = best_overlap > 0.5
    target_labels = torch.zeros(len(DEFAULTS_LTRB), dtype=torch.int64)
    target_labels[matched] = labels[best_truth[matched]]
    target_ltrb = DEFAULTS_LTRB.clone()
    target_ltrb[matched] = boxes_ltrb[best_truth[matched]]
    target_cxcywh = torch.stack(
        [
            (target_ltrb[:, 0] + target_ltrb[:, 2]) * 0.5,
            (target_ltrb[:, 1] + target_ltrb[:, 3]) * 0.5,
            target_ltrb[:, 2] - target_ltrb[:, 0],
            target_ltrb[:, 3] - target_ltrb[:, 1],
        ],
        dim=1,
    )
    return target_cxcywh, target_labels


def loss(loc: Tensor, logits: Tensor, boxes_cxcywh: Tensor, labels: Tensor) -> Tensor:
    """As `ssdbench.ssd.loss.MultiBoxLoss`: negatives are ranked by sorting, and their ranks by sorting once more."""
    defaults = DEFAULTS_CXCYWH.T[None]
    truth = boxes_cxcywh.transpose(1, 2)
    centre = (truth[:, :2] - defaults[:, :2]) / defaults[:, 2:] / 0.1
    size = (truth[:, 2:] / defaults[:, 2:]).log() / 0.2
    positive = labels > 0
    count = positive.sum(1)
    box_loss = F.smooth_l1_loss(loc, torch.cat([centre, size], dim=1), reduction="none").sum(1)
    box_loss = (box_loss * positive.float()).sum(1)

    entropy = F.cross_entropy(logits, labels, reduction="none")
    of_negatives = entropy.detach().clone()
    of_negatives[positive] = 0
    _, order = of_negatives.sort(dim=1, descending=True)
    _, rank = order.sort(dim=1)
    hard = (rank < (3 * count).clamp(max=labels.shape[1])[:, None]) & ~positive
    class_loss = (entropy * (positive.float() + hard.float())).sum(1)
    has_truth = (count > 0).float()
    return ((box_loss + class_loss) * has_truth / count.float().clamp(min=1e-6)).mean()


def detect(loc: Tensor, logits: Tensor, score_threshold: float = 0.05, top_k: int = 200) -> list[Detections]:
    """As `ssdbench.ssd.boxes.decode`, image by image, class by class, one kept box after the other."""
    regression = loc.transpose(1, 2)
    centre = DEFAULTS_CXCYWH[:, :2] + regression[..., :2] * 0.1 * DEFAULTS_CXCYWH[:, 2:]
    size = DEFAULTS_CXCYWH[:, 2:] * (regression[..., 2:] * 0.2).exp()
    boxes_ltrb = torch.cat([centre - size * 0.5, centre + size * 0.5], dim=2)
    scores = logits.softmax(1)
    return [
        _detect_in_image(image_boxes, image_scores, score_threshold, top_k)
        for image_boxes, image_scores in zip(boxes_ltrb, scores, strict=True)
    ]


def _detect_in_image(boxes_ltrb: Tensor, scores: Tensor, score_threshold: float, top_k: int) -> Detections:
    found_boxes, found_labels, found_scores = [], [], []
    for label in range(1, len(scores)):
        above = scores[label] > score_threshold
        class_boxes, class_scores = boxes_ltrb[above], scores[label][above]
        if len(class_scores) == 0:
            continue
        order = class_scores.argsort(descending=True, stable=True)[:top_k]
        while len(order):
            best = order[:1]
            found_boxes.append(class_boxes[best])
            found_labels.append(label)
            found_scores.append(class_scores[best])
            order = order[1:]
            order = order[overlaps(class_boxes[best], class_boxes[order])[0] < 0.5]
    if not found_labels:
        return Detections(boxes_ltrb[:0], torch.zeros(0, dtype=torch.int64), scores[0, :0])
    all_scores, order = torch.cat(found_scores).sort(descending=True, stable=True)
    order = order[:top_k]
    return Detections(torch.cat(found_boxes)[order], torch.tensor(found_labels)[order], all_scores[:top_k])
