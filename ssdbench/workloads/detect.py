"""Detection: forward pass, softmax, box decoding and NMS, up to the final boxes of each image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar

import torch

from ssdbench.runtime.context import RankContext
from ssdbench.ssd.boxes import decode
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import ValidationBatch
from ssdbench.workloads.model import build_model, compiled
from ssdbench.workloads.workload import PipelineWorkload, Step

# Scores above 0.05 per image with a trained detector, to an order of magnitude. Untrained heads give about ten
# thousand, and NMS would take a time that no user ever sees.
_CANDIDATES_PER_IMAGE = 300
_SCORE_THRESHOLD = 0.05


class Detect(PipelineWorkload[ValidationBatch]):
    """From batch to final boxes, in evaluation mode; the time to fetch the batch counts."""

    version: ClassVar[int] = 2

    def __init__(self, context: RankContext) -> None:
        super().__init__(context, training=False)
        model = build_model(context).eval()
        self._autocast = context.precision.autocast
        _make_background_likely(model, self.fetch().images, self._autocast)
        self._model = compiled(context, model)

    @torch.inference_mode()
    def step(self, batch: ValidationBatch, on_phase: OnPhase = ignore_phase) -> Step:
        with self._autocast():
            loc, logits = self._model(batch.images)
        on_phase("forward")
        decode(loc, logits, score_threshold=_SCORE_THRESHOLD)
        on_phase("decode and NMS")
        return Step(images=batch.images.shape[0])


@torch.inference_mode()
def _make_background_likely(
    model: SSD300, images: torch.Tensor, autocast: Callable[[], AbstractContextManager[object]]
) -> None:
    """Shift the background's bias until these images (N, 3, 300, 300) have about `_CANDIDATES_PER_IMAGE` each.

    Runs in the measured precision, on the eager model: compiling for one pass is not worth it.

    With background logit b, foreground logits f and a shift s, the softmax of class c exceeds t exactly if
    exp(b + s) < exp(f_c) / t - sum(exp(f)).
    """
    with autocast():
        _, logits = model(images)
    background, foreground = logits.float().split((1, logits.shape[1] - 1), dim=1)
    largest = foreground.amax(dim=1, keepdim=True)
    relative = (foreground - largest).exp()
    limit = (relative / _SCORE_THRESHOLD - relative.sum(dim=1, keepdim=True)).clamp(min=0).log() + largest - background
    shift = limit.flatten().topk(_CANDIDATES_PER_IMAGE * len(images)).values[-1]
    for head in model.conf:
        bias = head.get_parameter("bias")
        # The channels of a head are ordered by class, background first.
        bias[: len(bias) // logits.shape[1]] += shift


def open_workload(context: RankContext) -> Detect:
    """Open this rank's detection workload."""
    return Detect(context)
