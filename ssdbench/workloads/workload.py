"""The interface between the timed loop and workloads, and the base class of those that read from a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import ClassVar, Generic, Protocol, TypeVar

import torch

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.runtime.context import RankContext
from ssdbench.schema.record import EpochCount
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import InputPipeline, endless
from ssdbench.workloads.pipeline import open_pipeline

B = TypeVar("B", bound=Sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Result of one step on this rank; `loss` stays on the device, so that no step waits for it to be read."""

    images: int
    loss: torch.Tensor | None = None


class Workload(Protocol[B]):
    """One rank's part of a workload. The loop takes the times; `fetch` and `step` only do the work.

    Increase `version` when old and new results are no longer comparable.
    """

    version: ClassVar[int]

    def fetch(self) -> B:
        """The next batch, ready for `step`."""

    def step(self, batch: B, on_phase: OnPhase = ignore_phase) -> Step:
        """Process one batch. Only `worker.profile` passes `on_phase`; the timed loop does not."""

    def epochs(self) -> tuple[EpochCount, ...]:
        """Image counts of the finished passes over the data."""

    def close(self) -> None:
        """Stop background threads and processes."""


class PipelineWorkload(Generic[B]):
    """Base class of workloads that read an endless stream of batches from the case's pipeline."""

    def __init__(self, context: RankContext, *, training: bool) -> None:
        self._pipeline: InputPipeline[B] = open_pipeline(context, training=training)
        self._batches: Iterator[B] = _full_batches(self._pipeline, context.case.batch_size_per_gpu)

    def fetch(self) -> B:
        return next(self._batches)

    def epochs(self) -> tuple[EpochCount, ...]:
        expected = self._pipeline.images_per_epoch
        return tuple(EpochCount(expected_images=expected, seen_images=seen) for seen in self._pipeline.epoch_images)

    def close(self) -> None:
        self._pipeline.close()


def _full_batches(pipeline: InputPipeline[B], batch_size_per_gpu: int) -> Iterator[B]:
    """Endless batches without the smaller last one of a validation epoch, so that every step does the same work."""
    if pipeline.images_per_epoch < batch_size_per_gpu:
        raise DataError(
            f"an epoch has {pipeline.images_per_epoch} images per GPU, fewer than one batch of {batch_size_per_gpu}: "
            "use a smaller batch, fewer GPUs, or more images"
        )
    return (batch for batch in endless(pipeline) if len(batch) == batch_size_per_gpu)
