"""Inference: the forward pass only, as in the published tables (no box decoding, no NMS)."""

from typing import ClassVar

import torch

from ssdbench.runtime.session import Session
from ssdbench.ssd.phases import OnPhase, unheard
from ssdbench.ssd.pipelines.contract import ValidationBatch
from ssdbench.workloads.model import build_model
from ssdbench.workloads.workload import FedWorkload, Step


class Infer(FedWorkload[ValidationBatch]):
    """Batch and forward pass in evaluation mode; the batch is fetched inside the clock."""

    version: ClassVar[int] = 1

    def __init__(self, session: Session) -> None:
        super().__init__(session, training=False)
        self._model = build_model(session).eval()
        self._autocast = session.arithmetic.autocast

    @torch.inference_mode()
    def step(self, batch: ValidationBatch, on_phase: OnPhase = unheard) -> Step:
        with self._autocast():
            self._model(batch.images)
        on_phase("forward")
        return Step(images=batch.images.shape[0])


def open_workload(session: Session) -> Infer:
    """This rank's inference workload."""
    return Infer(session)
