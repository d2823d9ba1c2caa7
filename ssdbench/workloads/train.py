"""Training: fetch a batch, forward, loss, backward with gradients averaged over ranks, optimiser."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.graph import Graph
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.ssd.training import DEFAULT_RECIPE, TrainStep, learning_rate, optimizer, set_learning_rate
from ssdbench.workloads.model import build_model, compiled
from ssdbench.workloads.workload import PipelineWorkload, Step


class Train(PipelineWorkload[TrainingBatch]):
    """The first steps of the published recipe, including the warm-up of the learning rate; see `TrainStep`.

    With `cuda_graph` the forward pass, loss and backward pass are recorded in the first step. The optimiser is not
    recorded: its learning rate changes with every step, and a gradient scaler may skip a step.
    """

    version: ClassVar[int] = 2

    def __init__(self, context: RankContext) -> None:
        super().__init__(context, training=True)
        self._case = context.case
        self._model = build_model(context).train()
        self._train_step = TrainStep(
            model=compiled(context, context.group.data_parallel(self._model)),
            loss=compiled(context, MultiBoxLoss()),
            optimizer=optimizer(self._model),
            autocast=context.precision.autocast,
            scaler=context.precision.scaler(),
        )
        self._graph: Graph[Tensor] | None = None
        self._iteration = 0

    def step(self, batch: TrainingBatch, on_phase: OnPhase = ignore_phase) -> Step:
        rate = learning_rate(
            epoch=0,
            iteration=self._iteration,
            world_size=self._case.world_size,
            batch_size=self._case.batch_size_per_gpu,
            warmup_iterations=DEFAULT_RECIPE.warmup_iterations,
        )
        set_learning_rate(self._train_step.optimizer, rate)
        self._iteration += 1
        inputs = (batch.images, batch.boxes_cxcywh, batch.labels)
        loss = self._replayed(inputs, on_phase) if self._case.cuda_graph else self._train_step(*inputs, on_phase)
        return Step(images=batch.images.shape[0], loss=loss)

    def _replayed(self, inputs: tuple[Tensor, ...], on_phase: OnPhase) -> Tensor:
        if self._graph is None:
            self._graph = Graph(self._train_step.gradients, inputs, restored=list(self._model.buffers()))
        loss = self._graph(*inputs).clone()  # the next replay overwrites it, and losses are read at the end
        on_phase("graph")
        self._train_step.update()
        on_phase("optimizer")
        return loss


def open_workload(context: RankContext) -> Train:
    """Open this rank's training workload."""
    return Train(context)
