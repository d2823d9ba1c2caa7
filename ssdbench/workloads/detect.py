"""Detection: forward pass, softmax, box decoding and NMS, to the final boxes of each image."""

from typing import ClassVar

import torch

from ssdbench.runtime.session import Session
from ssdbench.ssd.boxes import decode
from ssdbench.ssd.pipelines.contract import ValidationBatch
from ssdbench.workloads.model import build_model
from ssdbench.workloads.workload import FedWorkload, Step


class Detect(FedWorkload[ValidationBatch]):
    """From batch to final boxes, in evaluation mode; the batch is fetched inside the clock."""

    version: ClassVar[int] = 1

    def __init__(self, session: Session) -> None:
        super().__init__(session, training=False)
        self._model = build_model(session).eval()
        self._autocast = session.arithmetic.autocast

    @torch.inference_mode()
    def step(self, batch: ValidationBatch) -> Step:
        with self._autocast():
            loc, logits = self._model(batch.images)
        decode(loc, logits)
        return Step(images=batch.images.shape[0])


def open_workload(session: Session) -> Detect:
    """This rank's detection workload."""
    return Detect(session)
