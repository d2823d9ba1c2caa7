"""torchvision's own SSD functions, given our default boxes and thresholds.

Its methods are called with a stand-in for the model: no network is needed for them. Where its definitions differ:

* It matches from an IoU of one half on, ours above it: the inputs have none of exactly one half. Of equal default boxes
  it takes the first, ours the last: they are given to it in reverse.
* Its matcher gives the number of the truth; ours gives boxes and labels too, and is timed with them.
* Its loss divides by the positives of the batch, ours by each image's: equal where all images have as many.
* It suppresses above a threshold, ours from it on: it is given the next lower float32. It clips boxes to the image: the
  boxes of the inputs lie within.
* It keeps coordinates and classes last, ours in the middle: each is given its own layout.
"""

import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from ssdbench.ssd.boxes import Detections, default_boxes

_DEFAULTS_LTRB = default_boxes("ltrb")
_REVERSED_LTRB = _DEFAULTS_LTRB.flip(0)
_MATCHER = SSDMatcher(0.5)
_MODEL = SimpleNamespace(
    box_coder=BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)),
    neg_to_pos_ratio=3.0,
    score_thresh=0.05,
    topk_candidates=200,
    nms_thresh=float(np.nextafter(np.float32(0.5), np.float32(-math.inf))),
    detections_per_img=200,
)


def match(boxes_ltrb: Tensor) -> Tensor:
    """The row in boxes (G, 4) of each default box's truth, (8732,), or -1; default boxes from last to first."""
    return _MATCHER(box_iou(boxes_ltrb, _REVERSED_LTRB))


def loss(
    regression: Tensor, logits: Tensor, boxes_ltrb: list[Tensor], labels: list[Tensor], matches: list[Tensor]
) -> Tensor:
    """The scalar loss of regression (N, 8732, 4) and logits (N, 8732, 81), boxes and labels of each image."""
    truth = [{"boxes": boxes, "labels": of_image} for boxes, of_image in zip(boxes_ltrb, labels, strict=True)]
    output = {"bbox_regression": regression, "cls_logits": logits}
    parts = SSD.compute_loss(_MODEL, truth, output, [_DEFAULTS_LTRB] * len(truth), matches)
    return parts["bbox_regression"] + parts["classification"]


@torch.no_grad()
def detect(regression: Tensor, logits: Tensor) -> list[Detections]:
    """Detections from regression (N, 8732, 4) and logits (N, 8732, 81)."""
    images = len(regression)
    output = {"bbox_regression": regression, "cls_logits": logits}
    found = SSD.postprocess_detections(_MODEL, output, [_DEFAULTS_LTRB] * images, [(1, 1)] * images)
    return [Detections(image["boxes"], image["labels"], image["scores"]) for image in found]
