"""Training step: batch, forward, loss, backward, gradient average over ranks, optimiser."""

from typing import ClassVar

from ssdbench.runtime.session import Session
from ssdbench.ssd.phases import OnPhase, unheard
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.ssd.training import DEFAULT_RECIPE, TrainStep, learning_rate, optimizer, set_learning_rate
from ssdbench.workloads.model import build_model
from ssdbench.workloads.workload import FedWorkload, Step


class Train(FedWorkload[TrainingBatch]):
    """The first steps of the published recipe, warm-up of the learning rate included, by the one `TrainStep`."""

    version: ClassVar[int] = 1

    def __init__(self, session: Session) -> None:
        super().__init__(session, training=True)
        self._case = session.case
        model = build_model(session).train()
        self._train_step = TrainStep(
            model=session.group.data_parallel(model),
            optimizer=optimizer(model),
            autocast=session.arithmetic.autocast,
            scaler=session.arithmetic.scaler(),
        )
        self._iteration = 0

    def step(self, batch: TrainingBatch, on_phase: OnPhase = unheard) -> Step:
        rate = learning_rate(
            epoch=0,
            iteration=self._iteration,
            world_size=self._case.world_size,
            batch_size=self._case.batch_size_per_gpu,
            warmup_iterations=DEFAULT_RECIPE.warmup_iterations,
        )
        set_learning_rate(self._train_step.optimizer, rate)
        self._iteration += 1
        loss = self._train_step(batch.images, batch.boxes_cxcywh, batch.labels, on_phase)
        return Step(images=batch.images.shape[0], loss=loss)


def open_workload(session: Session) -> Train:
    """This rank's training workload."""
    return Train(session)
