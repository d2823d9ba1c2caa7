"""Synthetic batches that stay on the device: they measure compute without input, and need no data set.

Images are normalised uniform noise; each has seven boxes of random categories, matched like real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ssdbench.compatibility import zip_equal
from ssdbench.ssd.boxes import CLASS_COUNT, IMAGE_SIDE, match
from ssdbench.ssd.pipelines.bookmark import Bookmark, read_state, stream_of, write_state
from ssdbench.ssd.pipelines.contract import (
    MEAN_RGB,
    STD_RGB,
    InputPipeline,
    PipelineOptions,
    TrainingBatch,
    TrainingPipeline,
    ValidationBatch,
)

DISTINCT_BATCHES = 2
BATCHES_PER_EPOCH = 100
BOXES_PER_IMAGE = 7

BatchT = TypeVar("BatchT")


def training(options: PipelineOptions) -> TrainingPipeline:
    """Open the training batches for this seed and rank."""
    return _ResidentTraining(options)


def validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]:
    """Open the validation batches for this seed and rank."""
    return _Resident(options, _validation_batch)


class _Resident(Generic[BatchT]):
    def __init__(self, options: PipelineOptions, make: Callable[[PipelineOptions, torch.Generator], BatchT]) -> None:
        generator = torch.Generator().manual_seed(options.seed * options.world_size + options.rank)
        self._batches = [make(options, generator) for _ in range(DISTINCT_BATCHES)]
        self._batch_size = options.batch_size_per_gpu
        self.batches_per_epoch = BATCHES_PER_EPOCH
        self.images_per_epoch = BATCHES_PER_EPOCH * options.batch_size_per_gpu
        self.epoch_images: list[int] = []
        self._epoch_batches = self._first_batch = 0

    def epoch(self) -> Iterator[BatchT]:
        first, self._first_batch = self._first_batch, 0
        for number in range(first, self.batches_per_epoch):
            self._epoch_batches = (number + 1) % self.batches_per_epoch
            yield self._batches[number % len(self._batches)]
        self.epoch_images.append((self.batches_per_epoch - first) * self._batch_size)

    def close(self) -> None:
        self._batches.clear()


class _ResidentTraining(_Resident[TrainingBatch]):
    def __init__(self, options: PipelineOptions) -> None:
        super().__init__(options, _training_batch)
        self._stream = stream_of("resident", options)
        self._epoch_batches = self._first_batch = read_state(self._stream, options.resume_state).epoch_batches

    def state(self) -> bytes:
        # All epochs are equal.
        return write_state(self._stream, Bookmark(epoch_batches=self._epoch_batches))


def _training_batch(options: PipelineOptions, generator: torch.Generator) -> TrainingBatch:
    matched = [match(*_boxes(generator)) for _ in range(options.batch_size_per_gpu)]
    boxes_cxcywh, labels = (torch.stack(part) for part in zip_equal(*matched))
    return TrainingBatch(
        images=_images(options, generator),
        boxes_cxcywh=boxes_cxcywh.to(options.device),
        labels=labels.to(options.device),
    )


def _validation_batch(options: PipelineOptions, generator: torch.Generator) -> ValidationBatch:
    count = options.batch_size_per_gpu
    boxes_ltrb, labels = zip_equal(*(_boxes(generator) for _ in range(count)))
    return ValidationBatch(
        images=_images(options, generator),
        image_ids=torch.arange(count),
        image_sizes_hw=torch.full((count, 2), IMAGE_SIDE, dtype=torch.int64),
        boxes_ltrb=list(boxes_ltrb),
        labels=list(labels),
    )


def _images(options: PipelineOptions, generator: torch.Generator) -> Tensor:
    images = torch.rand(options.batch_size_per_gpu, 3, IMAGE_SIDE, IMAGE_SIDE, generator=generator)
    images = (images - torch.tensor(MEAN_RGB).view(3, 1, 1)) / torch.tensor(STD_RGB).view(3, 1, 1)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    return images.to(options.device, memory_format=layout)


def _boxes(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    centre = torch.rand(BOXES_PER_IMAGE, 2, generator=generator) * 0.8 + 0.1
    size = torch.rand(BOXES_PER_IMAGE, 2, generator=generator) * 0.3 + 0.05
    boxes_ltrb = torch.cat([centre - size / 2, centre + size / 2], dim=1).clamp(0, 1)
    return boxes_ltrb, torch.randint(1, CLASS_COUNT, (BOXES_PER_IMAGE,), generator=generator)
