"""Training step: batch, forward, loss, backward, gradient average over ranks, optimiser."""

from typing import ClassVar

from ssdbench.runtime.session import Session
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.ssd.training import TrainStep, build_optimizer
from ssdbench.workloads.model import build_model
from ssdbench.workloads.workload import FedWorkload, Step


class Train(FedWorkload[TrainingBatch]):
    """The published recipe's step at its full learning rate; the same `TrainStep` as in a real training run."""

    version: ClassVar[int] = 1

    def __init__(self, session: Session) -> None:
        super().__init__(session, training=True)
        model = build_model(session).train()
        parallel = session.group.data_parallel(model)
        self._step = TrainStep(
            model=parallel,
            optimizer=build_optimizer(model),
            autocast=session.arithmetic.autocast,
            scaler=session.arithmetic.scaler(),
        )

    def step(self, batch: TrainingBatch) -> Step:
        loss = self._step(batch.images, batch.boxes_cxcywh, batch.labels)
        return Step(images=batch.images.shape[0], loss=loss)


def open_workload(session: Session) -> Train:
    """This rank's training workload."""
    return Train(session)
