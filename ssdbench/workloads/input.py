"""The training input pipeline alone: reading, decoding, augmentation, matching, copy to the device."""

from __future__ import annotations

from typing import ClassVar

from ssdbench.runtime.context import RankContext
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.workloads.workload import PipelineWorkload, Step


class Input(PipelineWorkload[TrainingBatch]):
    """Fetches the batches of a training and does nothing with them."""

    version: ClassVar[int] = 2

    def __init__(self, context: RankContext) -> None:
        super().__init__(context, training=True)
        self._device = context.device

    def step(self, batch: TrainingBatch, on_phase: OnPhase = ignore_phase) -> Step:  # noqa: ARG002  has no phases
        # Nothing on the device consumes the batch, so without this wait unfinished batches would count. Only the
        # current stream is waited for: DALI's own streams read ahead, as in training.
        self._device.synchronize_stream()
        return Step(images=batch.images.shape[0])


def open_workload(context: RankContext) -> Input:
    """Open this rank's input workload."""
    return Input(context)
