"""The published input pipeline with NVIDIA DALI; `dali_graph` defines what happens to an image.

Runs on DALI 1.26 and newer; 1.34 is the last with a wheel for CUDA 11. DALI silently accepts many faults. They are
caught when the data are prepared (see `preparation`) and checked here: every pass over the images is verified, and
nothing is read after an error, because DALI would continue with a short epoch. Two faults remain unnoticed: a JPEG
whose scan is corrupt but still parses, and up to DALI 1.34 a JPEG that was truncated after it was prepared. `ssdbench
data verify` finds the latter always and the former mostly.

A stream is resumed exactly, in one of two ways. With `PipelineOptions.resumable` and DALI 2.x, DALI itself continues
from a checkpoint. Otherwise the batches up to the position are read and dropped, which takes as long as reading them
did: DALI 1.30 and older have no checkpoints, and 1.34 restores one, but writes wrong ones until its next pass (fixed
later, NVIDIA/DALI #5378). DALI shuffles differently with checkpoints, so the two ways are different streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ssdbench.compatibility import zip_equal
from ssdbench.errors import DataError
from ssdbench.ssd.coco import PreparedSplit, load_columns, require_whole
from ssdbench.ssd.pipelines.bookmark import Bookmark, read_state, stream_of
from ssdbench.ssd.pipelines.contract import (
    InputPipeline,
    PipelineOptions,
    TrainingBatch,
    TrainingPipeline,
    ValidationBatch,
    require_data,
)
from ssdbench.ssd.pipelines.dali_graph import (
    OUTPUTS,
    READER,
    VERSION,
    BatchIterator,
    Graph,
    dali,
    moves_pixels,
    training_graph,
    validation_graph,
)
from ssdbench.ssd.pipelines.epochs import (
    ReadImages,
    TrainingEpochs,
    ValidationEpochs,
    batches_per_training_epoch,
    shard,
    shuffled,
)

PREFETCHED_BATCHES = 2


def training(options: PipelineOptions) -> TrainingPipeline:
    """Augmented and matched batches; see `contract.InputPipeline`."""
    split = require_data(options)
    batches_per_training_epoch(options)  # rejects too small a data set before DALI loads it
    variant = f"dali {dali.__version__} on {options.device.type}"
    variant += " decoded by the CPU" if moves_pixels(options) else ""
    stream = stream_of(f"{variant} with checkpoints" if _checkpoints(options) else variant, options)
    start = read_state(stream, options.resume_state)
    file_names = load_columns(split).file_names
    ordered = [file_names[row] for row in shuffled(len(file_names), options.seed)]
    graph = dali.pipeline_def(training_graph)(
        **_resources(options),
        **_checkpointing(options, start),
        options=options,
        file_names=ordered,
    )
    reading = _Reading(graph, split, split.annotated_images)
    return TrainingEpochs(options, _EndlessReader(reading, options, start), stream, start)


def validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]:
    """Whole images with their ground truth; see `contract.InputPipeline`."""
    split = require_data(options)
    graph = dali.pipeline_def(validation_graph)(**_resources(options), options=options)
    reading = _Reading(graph, split, split.images)
    return ValidationEpochs(options, load_columns(split), _ShardReader(reading, options, split.images))


def _checkpoints(options: PipelineOptions) -> bool:
    return options.resumable and VERSION >= (2, 0)


def _checkpointing(options: PipelineOptions, start: Bookmark) -> dict[str, Any]:
    # Only on request: DALI 1.30 and older have neither argument.
    return {"enable_checkpointing": True, "checkpoint": start.reader or None} if _checkpoints(options) else {}


def _resources(options: PipelineOptions) -> dict[str, Any]:
    on_gpu = options.device.type == "cuda"
    return {
        "batch_size": options.batch_size_per_gpu,
        "num_threads": max(1, options.threads),
        "device_id": (options.device.index or 0) if on_gpu else None,
        "seed": options.seed * options.world_size + options.rank,
        "prefetch_queue_depth": PREFETCHED_BATCHES,
    }


class _Reading:
    """A built DALI pipeline of one rank; not read again after an error."""

    def __init__(self, graph: Graph, split: PreparedSplit, images: int) -> None:
        self._split = split
        require_whole(split)
        try:
            graph.build()
            found = graph.reader_meta(READER)["epoch_size"]
        except RuntimeError as error:
            raise self._translated(error) from error
        if found != images:
            raise DataError(
                f"DALI finds {found} images in {split.annotations} where {images} were prepared: this DALI reads the "
                "file differently; use another version, or --pipeline torchvision."
            )
        self._iterator: Any = BatchIterator([graph], list(OUTPUTS), size=-1, prepare_first_batch=False)

    def next(self) -> dict[str, Tensor]:
        """The next batch; do not call again after an exception."""
        try:
            batch: dict[str, Tensor] = next(self._iterator)[0]
        except RuntimeError as error:
            raise self._translated(error) from error
        return batch

    def checkpoint(self) -> bytes:
        """DALI's own checkpoint, for the position after the last batch of `next`."""
        checkpoint: bytes = self._iterator.checkpoints()[0]
        return checkpoint

    def close(self) -> None:
        self._iterator = None

    def _translated(self, error: RuntimeError) -> Exception:
        """All of DALI's errors are RuntimeErrors; those about an image or a box become a DataError."""
        text = str(error)
        if not re.search(r"decod|nvimagecodec|jpeg|file mapping|no files found|out of bounds", text, re.IGNORECASE):
            return error
        reason = re.search(r"encountered:\s*(?:Error in thread \d+: )?(?:\[[^]]*\] ?)*(.+)", text)
        return DataError(
            f"DALI cannot read the images in {self._split.image_root} ({reason[1] if reason else 'no reason given'}): "
            f"run `ssdbench data verify {self._split.image_root.parent}`, which decodes every image with another "
            "library; if it finds nothing, this DALI cannot read some kind of image there: convert it to JPEG."
        )


class _EndlessReader:
    """Implements `epochs.TrainingReader`."""

    def __init__(self, reading: _Reading, options: PipelineOptions, start: Bookmark) -> None:
        self._reading = reading
        self._options = options
        self.close = reading.close
        if not _checkpoints(options):
            for _ in range(start.batches):
                reading.next()

    def checkpoint(self) -> bytes:
        return self._reading.checkpoint() if _checkpoints(self._options) else b""

    def read(self) -> tuple[list[int], TrainingBatch]:
        tensors = self._reading.next()
        return tensors["rows"].flatten().tolist(), TrainingBatch(
            images=_nchw(tensors["images"], self._options),
            boxes_cxcywh=tensors["boxes"],
            labels=tensors["labels"].flatten(1).long(),
        )


class _ShardReader:
    """Implements `epochs.ValidationReader`; DALI pads all shards to the same number of full batches."""

    def __init__(self, reading: _Reading, options: PipelineOptions, images: int) -> None:
        self._reading = reading
        self._options = options
        self.close = reading.close
        self._shard = len(shard(images, options.rank, options.world_size))
        largest_shard = -(-images // options.world_size)
        self._padded_batches = -(-largest_shard // options.batch_size_per_gpu)
        self._batches_read = 0

    def read_shard(self) -> Iterator[ReadImages]:
        self._rewind()
        left = self._shard
        while left:
            tensors = self._reading.next()
            self._batches_read += 1
            batch = _read_images(tensors, min(left, self._options.batch_size_per_gpu), self._options)
            left -= len(batch.rows)
            yield batch
        self._rewind()

    def _rewind(self) -> None:
        while 0 < self._batches_read < self._padded_batches:
            self._reading.next()
            self._batches_read += 1
        self._batches_read = 0


def _read_images(tensors: dict[str, Tensor], count: int, options: PipelineOptions) -> ReadImages:
    labels = tensors["labels"].flatten(1)[:count].long()
    real = labels > 0  # the rest is padding
    return ReadImages(
        rows=tensors["rows"].flatten()[:count].tolist(),
        images=_nchw(tensors["images"], options)[:count],
        boxes_ltrb=[boxes[mask] for boxes, mask in zip_equal(tensors["boxes"][:count], real)],
        labels=[image_labels[mask] for image_labels, mask in zip_equal(labels, real)],
    )


def _nchw(images: Tensor, options: PipelineOptions) -> Tensor:
    return images.permute(0, 3, 1, 2) if options.channels_last else images
