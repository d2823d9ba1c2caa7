"""One step of a case's own model on tensors that have a shape and no content: to count its work without doing it."""

from __future__ import annotations

import torch

from ssdbench.schema.case import PRECISIONS, WORKLOADS, Case
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import TrainStep, optimizer

_DEFAULT_BOXES = 8732
_OPTIMIZER_PASSES = 5  # reads parameter, gradient and momentum; writes parameter and momentum
_FLOAT_BYTES, _HALF_BYTES = 4, 2


class UnfilledStep:
    """The forward pass, in training also the loss and the backward pass, on so many images; needs torch 2.0 or newer.

    Memory layouts have the same operations and bytes: the model has the one of its constructor. Instead of autocast the
    whole model is in bfloat16, which has the size of float16.
    """

    def __init__(self, case: Case, images: int) -> None:
        self._trains = WORKLOADS[case.workload].trains
        self._is_lowered = PRECISIONS[case.precision].autocast_dtype is not None
        dtype = torch.bfloat16 if self._is_lowered else torch.float32
        with torch.device("meta"):
            self._model = SSD300(case.backbone).train(self._trains).to(dtype)
            self._images = torch.empty(images, 3, 300, 300, dtype=dtype)
            self._boxes_cxcywh = torch.empty(images, _DEFAULT_BOXES, 4)
            self._labels = torch.empty(images, _DEFAULT_BOXES, dtype=torch.int64)

    def run(self) -> None:
        """Take the step, up to the gradients."""
        if self._trains:
            step = TrainStep(model=self._model, optimizer=optimizer(self._model, fused=False))
            step.gradients(self._images, self._boxes_cxcywh, self._labels)
        else:
            with torch.no_grad():
                self._model(self._images)

    def further_bytes(self) -> int:
        """What `run` leaves out: the optimiser as one kernel, and autocast's conversion of each weight and gradient."""
        weights = sum(parameter.numel() for parameter in self._model.parameters() if parameter.requires_grad)
        converted = (_FLOAT_BYTES + _HALF_BYTES) * weights if self._is_lowered else 0
        return 2 * converted + _OPTIMIZER_PASSES * _FLOAT_BYTES * weights if self._trains else converted
