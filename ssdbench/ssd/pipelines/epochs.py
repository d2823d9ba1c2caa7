"""Divides streams of batches into epochs, and checks that each pass has exactly the images it should have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Columns, PreparedSplit
from ssdbench.ssd.pipelines.bookmark import Bookmark, Stream, write_state
from ssdbench.ssd.pipelines.contract import PipelineOptions, TrainingBatch, ValidationBatch, require_data


class ReadImages(NamedTuple):
    """Whole images from a reader; `rows` are their rows in `Columns`."""

    rows: list[int]
    images: Tensor
    boxes_ltrb: list[Tensor]
    labels: list[Tensor]


class TrainingReader(Protocol):
    """Reads its rank's shard of the annotated images in endless passes."""

    def read(self) -> tuple[list[int], TrainingBatch]:
        """The rows of the next images, and their batch."""

    def checkpoint(self) -> bytes:
        """The state that a new reader needs, besides the number of batches read, to continue after them."""

    def close(self) -> None:
        """Release threads, processes and memory."""


class ValidationReader(Protocol):
    """Reads its rank's shard of all images, in order."""

    def read_shard(self) -> Iterator[ReadImages]:
        """The whole shard from its start, wherever an earlier call stopped."""

    def close(self) -> None:
        """Release threads, processes and memory."""


def shard(count: int, rank: int, world_size: int) -> range:
    """The positions of one rank among `count`; shards are disjoint, cover all, and differ in size by at most one.

    The bounds are those of DALI's readers, so that a rank gets the same validation images from every pipeline.
    """
    return range(count * rank // world_size, count * (rank + 1) // world_size)


def shuffled(count: int, *seed: int) -> list[int]:
    """The numbers below `count` in an order that depends only on the seed."""
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order


class EpochCoverageCheck:
    """Checks the image rows of a shard as they are read: each pass must have `size` different ones.

    A reader that silently skips images, because its annotation file was truncated or changed after it was prepared,
    repeats an image too early; so does a reader that reads an image twice.
    """

    def __init__(self, split: PreparedSplit, size: int, seen: Iterable[int] = ()) -> None:
        self._split = split
        self._size = size
        self._seen = set(seen)

    @property
    def seen(self) -> frozenset[int]:
        """The images of the current pass so far."""
        return frozenset(self._seen)

    def take(self, rows: list[int]) -> None:
        """Add the images of a batch; `DataError` if one occurs twice in a pass."""
        for row in rows:
            if row in self._seen:
                raise DataError(
                    f"the reader started again after {len(self._seen)} of its {self._size} images: "
                    f"{self._split.annotations} is not what was prepared; delete its directory and prepare the "
                    "data again."
                )
            self._seen.add(row)
            if len(self._seen) == self._size:
                self._seen.clear()


class TrainingEpochs:
    """A `contract.TrainingPipeline` on an endless reader whose position is `start`."""

    def __init__(self, options: PipelineOptions, reader: TrainingReader, stream: Stream, start: Bookmark) -> None:
        split = require_data(options)
        self.batches_per_epoch = batches_per_training_epoch(options)
        self.images_per_epoch = self.batches_per_epoch * options.batch_size_per_gpu
        self.epoch_images: list[int] = []
        size = len(shard(split.annotated_images, options.rank, options.world_size))
        self._check = EpochCoverageCheck(split, size, start.rows)
        self._reader = reader
        self._stream = stream
        self._batches = start.batches
        self._epoch_batches = self._first_batch = start.epoch_batches
        self._end: Exception | None = None

    def epoch(self) -> Iterator[TrainingBatch]:
        """See `contract.InputPipeline`."""
        images = 0
        first, self._first_batch = self._first_batch, 0
        for number in range(first, self.batches_per_epoch):
            batch = self._next()
            self._epoch_batches = (number + 1) % self.batches_per_epoch
            images += len(batch)
            yield batch
        self.epoch_images.append(images)

    def state(self) -> bytes:
        """See `contract.TrainingPipeline`."""
        if self._end is not None:
            raise self._end
        place = Bookmark(
            batches=self._batches,
            epoch_batches=self._epoch_batches,
            rows=self._check.seen,
            reader=self._reader.checkpoint(),
        )
        return write_state(self._stream, place)

    def _next(self) -> TrainingBatch:
        if self._end is not None:
            raise self._end
        try:
            rows, batch = self._reader.read()
            self._check.take(rows)
        except Exception as error:
            self._finish(error)
            raise
        self._batches += 1
        return batch

    def close(self) -> None:
        """See `contract.InputPipeline`."""
        self._finish(RuntimeError("this pipeline is closed"))

    def _finish(self, end: Exception) -> None:
        if self._end is None:
            self._end = end
            self._reader.close()


class ValidationEpochs:
    """An `InputPipeline[ValidationBatch]` on a reader of whole shards."""

    def __init__(self, options: PipelineOptions, columns: Columns, reader: ValidationReader) -> None:
        self._split = require_data(options)
        self._columns = columns
        self._shard = shard(self._split.images, options.rank, options.world_size)
        self.images_per_epoch = len(self._shard)
        self.batches_per_epoch = -(-len(self._shard) // options.batch_size_per_gpu)
        self.epoch_images: list[int] = []
        self._reader = reader
        self._end: Exception | None = None

    def epoch(self) -> Iterator[ValidationBatch]:
        """See `contract.InputPipeline`."""
        if self._end is not None:
            raise self._end
        images = 0
        try:
            for read in self._reader.read_shard():
                self._require(read.rows, self._shard[images : images + len(read.rows)])
                images += len(read.rows)
                yield self._batch(read)
            self._require([], self._shard[images:])
        except Exception as error:
            self._finish(error)
            raise
        self.epoch_images.append(images)

    def _require(self, rows: list[int], expected: range) -> None:
        if rows != list(expected):
            raise DataError(
                f"the reader returned other images than {self._split.annotations} had when it was prepared: delete its "
                "directory and prepare the data again."
            )

    def _batch(self, read: ReadImages) -> ValidationBatch:
        return ValidationBatch(
            images=read.images,
            image_ids=torch.from_numpy(self._columns.image_ids[read.rows]),
            image_sizes_hw=torch.from_numpy(self._columns.sizes_hw[read.rows]),
            boxes_ltrb=read.boxes_ltrb,
            labels=read.labels,
        )

    def close(self) -> None:
        """See `contract.InputPipeline`."""
        self._finish(RuntimeError("this pipeline is closed"))

    def _finish(self, end: Exception) -> None:
        if self._end is None:
            self._end = end
            self._reader.close()


def batches_per_training_epoch(options: PipelineOptions) -> int:
    """Number of full batches per epoch, the same on every rank; `DataError` if there is not even one."""
    split = require_data(options)
    batches = split.annotated_images // options.world_size // options.batch_size_per_gpu
    if not batches:
        raise DataError(
            f"{split.source_annotations} has {split.annotated_images} annotated images, fewer than one global "
            f"batch ({options.world_size} x {options.batch_size_per_gpu}): use a smaller batch or more images."
        )
    return batches
