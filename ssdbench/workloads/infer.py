"""Inference: the forward pass only, as in the published tables, without box decoding and NMS."""

from __future__ import annotations

from typing import ClassVar, Tuple

import torch
from torch import Tensor

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.graph import Graph
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import ValidationBatch
from ssdbench.workloads.model import build_model, compiled
from ssdbench.workloads.workload import PipelineWorkload, Step

Output = Tuple[Tensor, Tensor]


class Infer(PipelineWorkload[ValidationBatch]):
    """Forward pass in evaluation mode; the time to fetch the batch counts.

    With `cuda_graph` the forward pass is recorded in the first step. Each step then copies its batch into the recorded
    input, as any user of a graph must.
    """

    version: ClassVar[int] = 1

    def __init__(self, context: RankContext) -> None:
        super().__init__(context, training=False)
        self._model = compiled(context, build_model(context).eval())
        self._autocast = context.precision.autocast
        self._records = context.case.cuda_graph
        self._graph: Graph[Output] | None = None

    @torch.inference_mode()
    def step(self, batch: ValidationBatch, on_phase: OnPhase = ignore_phase) -> Step:
        if self._records and self._graph is None:
            self._graph = Graph(self._forward, [batch.images])
        forward = self._graph or self._forward
        forward(batch.images)
        on_phase("forward")
        return Step(images=batch.images.shape[0])

    def _forward(self, images: Tensor) -> Output:
        with self._autocast():
            output: Output = self._model(images)
        return output


def open_workload(context: RankContext) -> Infer:
    """Open this rank's inference workload."""
    return Infer(context)
