"""Model outputs made by hand, and a slow decoder to compare with."""

import math
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssdbench.ssd import boxes, suppression
from ssdbench.ssd.boxes import default_boxes, encode

NEVER = -100.0  # a logit that leaves nothing of a class


def background(images=1):
    """The output of a model that detects nothing."""
    logits = torch.full((images, 81, 8732), NEVER)
    logits[:, 0] = 0
    return torch.zeros(images, 4, 8732), logits


def logit(score):
    """The logit that gives `score` next to a background logit of 0."""
    return math.log(score / (1 - score))


def output(boxes_ltrb, label, scores):
    """A model's output for one image: boxes of one label, in the first rows."""
    loc, logits = background()
    low, high = boxes_ltrb[:, :2], boxes_ltrb[:, 2:]
    wanted = default_boxes()
    wanted[: len(boxes_ltrb)] = torch.cat([(low + high) / 2, high - low], dim=1)
    loc[0] = encode(wanted).T
    logits[0, label, : len(scores)] = torch.tensor([logit(score) for score in scores])
    return loc, logits


def regress(loc):
    """Boxes of every row, (N, 8732, 4)."""
    return torch.stack([boxes._regress(image.T, torch.arange(8732)) for image in loc])


def overlap(box, other):
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    area = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return width * height / (area - width * height)


def slow_decode(loc, logits, top_k=200):
    """As in the reference: image by image, class by class, box by box, each with its own coordinates."""
    found = []
    for boxes_ltrb, image_logits in zip(regress(loc).tolist(), logits, strict=True):
        scores = image_logits[None].softmax(1)[0].numpy()
        finite = np.isfinite(boxes_ltrb).all(1)
        kept = []
        for label in range(1, 81):
            rows = np.flatnonzero((scores[label] > 0.05) & finite)
            rows = rows[np.argsort(-scores[label, rows], kind="stable")][:top_k]
            survivors: list[Any] = []
            for row in rows:
                if all(overlap(boxes_ltrb[row], boxes_ltrb[other]) < 0.5 for other in survivors):
                    survivors.append(row)
            kept += [(scores[label, row], label, row) for row in survivors]
        found.append(sorted(kept, key=lambda detection: -detection[0])[:top_k])
    return found


def assert_decoded(found, loc, logits, top_k=200):
    """Bit for bit what the slow loop gives."""
    for (boxes_ltrb, labels, scores), every, expected in zip(
        found, regress(loc), slow_decode(loc, logits, top_k), strict=True
    ):
        assert labels.tolist() == [label for _, label, _ in expected]
        assert scores.tolist() == [score for score, _, _ in expected]
        torch.testing.assert_close(boxes_ltrb, every[[row for _, _, row in expected]], rtol=0, atol=0)


class Operations(TorchDispatchMode):
    """Names of the operations; `waits` are those whose result has a size that only the device knows."""

    def __init__(self):
        super().__init__()
        self.names, self.waits = [], []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.append(str(function.overloadpacket))
        masks = arguments[1] if self.names[-1] == "aten.index" else ()
        if self.names[-1] in {"aten.nonzero", "aten.equal", "aten._local_scalar_dense", "torchvision.nms"} or any(
            mask is not None and mask.dtype == torch.bool for mask in masks
        ):
            self.waits.append(self.names[-1])
        return function(*arguments, **(keywords or {}))


def as_on_a_gpu(images, candidates, monkeypatch):
    """Operations of a batch with this number of candidates per image, decoded all at once."""
    loc, logits = background(images)
    logits[:, 1 + torch.arange(candidates) % 80, torch.arange(candidates) * 8] = 2.0
    monkeypatch.setattr(suppression, "_suppress_by_calls", suppression._suppress_by_pairs)
    with Operations() as operations, torch.no_grad():
        assert sum(len(found.labels) for found in boxes._decode(loc, logits, 0.05, 0.5, 200)) == 200 * images
    return operations
