"""What the timed loop needs of a workload, and the pipeline that most of them read from."""

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import torch

from ssdbench.errors import DataError
from ssdbench.runtime.context import RankContext
from ssdbench.schema.record import EpochCount
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.ssd.pipelines.contract import InputPipeline, endless
from ssdbench.workloads.pipeline import open_pipeline

B = TypeVar("B", bound=Sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did on this rank; `loss` stays on the device, so that reading it costs the step nothing."""

    images: int
    loss: torch.Tensor | None = None


class Workload(Protocol[B]):
    """One rank's share of a workload. The loop owns the clock: `fetch` and `step` only do the work.

    `version` is raised when old and new figures are no longer comparable.
    """

    version: ClassVar[int]

    def fetch(self) -> B:
        """The next batch, as a step takes it."""

    def step(self, batch: B, on_phase: OnPhase = ignore_phase) -> Step:
        """Do the work of one batch. The timed loop gives no `on_phase`: it is for the pass of `worker.profile`."""

    def epochs(self) -> tuple[EpochCount, ...]:
        """The passes over the data that have ended."""

    def close(self) -> None:
        """Release what runs in the background."""


class PipelineWorkload(Generic[B]):
    """What workloads have in common that are fed from the case's pipeline: an endless stream of its batches."""

    def __init__(self, context: RankContext, *, training: bool) -> None:
        self._pipeline: InputPipeline[B] = open_pipeline(context, training=training)
        self._batches: Iterator[B] = _whole(self._pipeline, context.case.batch_size_per_gpu)

    def fetch(self) -> B:
        return next(self._batches)

    def epochs(self) -> tuple[EpochCount, ...]:
        expected = self._pipeline.images_per_epoch
        return tuple(EpochCount(expected_images=expected, seen_images=seen) for seen in self._pipeline.epoch_images)

    def close(self) -> None:
        self._pipeline.close()


def _whole(pipeline: InputPipeline[B], batch_size_per_gpu: int) -> Iterator[B]:
    """Endless batches without the smaller last one of a validation epoch: every step shall do the same work."""
    if pipeline.images_per_epoch < batch_size_per_gpu:
        raise DataError(
            f"an epoch has {pipeline.images_per_epoch} images per GPU, fewer than one batch of {batch_size_per_gpu}: "
            "take a smaller batch, fewer GPUs, or more images"
        )
    return (batch for batch in endless(pipeline) if len(batch) == batch_size_per_gpu)
