"""The MultiBox loss of SSD (Liu et al., arXiv:1512.02325, section 2.2), with hard-negative mining per image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssdbench.ssd.boxes import encode
from ssdbench.ssd.torch_api import where

NEGATIVES_PER_POSITIVE = 3


class MultiBoxLoss(nn.Module):
    """Mean over the batch of (box loss + class loss) / P, where P is the image's number of positives (labels above 0).

    Box loss: smooth L1 (beta 1), summed over the coordinates of the positives. Class loss: cross entropy, summed over
    the positives and over the 3 P negatives (or all, if there are fewer) with the largest loss. An image with P = 0
    adds 0.

    Computed in float32 whatever the precision of the network, even in an autocast region: all operations get float32,
    and autocast lowers none of them. Does not synchronise the device.
    """

    def forward(self, loc: Tensor, logits: Tensor, boxes_cxcywh: Tensor, labels: Tensor) -> Tensor:
        """The scalar loss of box regression (N, 4, 8732) and class logits (N, 81, 8732).

        Ground truth as from `ssdbench.ssd.boxes.match`: boxes (N, 8732, 4), labels (N, 8732) of any integer type.
        """
        labels = labels.to(torch.int64)
        positive = labels > 0
        count = positive.sum(1)

        targets = encode(boxes_cxcywh).transpose(1, 2)
        box_loss = F.smooth_l1_loss(loc.float(), targets, reduction="none").sum(1)
        # Converted inside the softmax: a GPU then reads half-precision logits without making a float32 copy, and writes
        # their gradient in half precision directly. The result is bit-identical to converting before.
        class_loss = F.nll_loss(F.log_softmax(logits, 1, dtype=torch.float32), labels, reduction="none")

        # The positives are set to 0, so ranks beyond the last negative add nothing: no second limit is needed.
        hardest = class_loss.masked_fill(positive, 0).sort(dim=1, descending=True).values
        rank = torch.arange(hardest.shape[1], device=hardest.device)
        mined = where(rank < NEGATIVES_PER_POSITIVE * count[:, None], hardest, 0)

        of_positives = where(positive, box_loss + class_loss, 0)
        return ((of_positives.sum(1) + mined.sum(1)) / count.clamp(min=1)).mean()
