"""The training input pipeline alone: reading, decoding, augmentation, matching, copy to the device."""

from typing import ClassVar

from ssdbench.runtime.session import Session
from ssdbench.ssd.phases import OnPhase, unheard
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.workloads.workload import FedWorkload, Step


class Input(FedWorkload[TrainingBatch]):
    """Batches as training takes them, and nothing done with them."""

    version: ClassVar[int] = 2

    def __init__(self, session: Session) -> None:
        super().__init__(session, training=True)
        self._device = session.device

    def step(self, batch: TrainingBatch, on_phase: OnPhase = unheard) -> Step:  # noqa: ARG002  it has none
        # With no consumer on the device, nothing else would hold the host back from counting unfinished batches. The
        # current stream waits for the batch; DALI's own streams are not waited for, they read ahead as in training.
        self._device.synchronize_stream()
        return Step(images=batch.images.shape[0])


def open_workload(session: Session) -> Input:
    """This rank's input workload."""
    return Input(session)
