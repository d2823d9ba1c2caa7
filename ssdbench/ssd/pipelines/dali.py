"""NVIDIA DALI: the published input pipeline, for the CPU and the GPU from one definition.

Runs on DALI 1.34 (the last with a wheel for CUDA 11) and 2.x. What DALI passes in silence is caught before (see
`coco.prepare`) and watched here: every pass over the images is checked, and the first error is the last, because
DALI would go on with a short epoch.
"""

import re
from collections.abc import Iterator
from typing import Any

import torch

from ssdbench.errors import DataError, EnvironmentLacksError
from ssdbench.ssd.boxes import default_boxes
from ssdbench.ssd.coco import Columns, PreparedSplit, load_columns
from ssdbench.ssd.pipelines.contract import (
    BRIGHTNESS,
    CONTRAST,
    CONTRAST_CENTRE,
    CROP_ASPECT_RATIO,
    CROP_SCALE,
    CROP_THRESHOLDS_IOU,
    FLIP_PROBABILITY,
    HUE_DEGREES,
    IMAGE_SIDE,
    MEAN_RGB,
    SATURATION,
    STD_RGB,
    InputPipeline,
    PipelineOptions,
    TrainingBatch,
    ValidationBatch,
    require_data,
    training_batches_per_epoch,
)
from ssdbench.ssd.pipelines.shards import PassCheck, shard, shuffled

try:
    from nvidia import dali as untyped_dali
    from nvidia.dali.plugin.pytorch import DALIGenericIterator
except ImportError as error:
    raise EnvironmentLacksError(
        f"the dali pipeline needs NVIDIA DALI ({error}): install the extra that fits the CUDA of your torch, "
        "ssdbench[dali-cuda110], ssdbench[dali-cuda120] or ssdbench[dali-cuda130], or use the torchvision pipeline."
    ) from error

dali: Any = untyped_dali  # its type stubs differ between the versions, and lack names that exist
fn, types = dali.fn, dali.types
Graph = Any  # nvidia.dali.Pipeline
Node = Any  # nvidia.dali.pipeline.Node

READER = "coco"
PREFETCHED_BATCHES = 2
OUTPUTS = ("images", "boxes", "labels", "rows")  # rows: of the images in `Columns`


def training(options: PipelineOptions) -> InputPipeline[TrainingBatch]:
    """Augmented and matched batches; see `contract.InputPipeline`."""
    return _Training(options)


def validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]:
    """Whole images with their ground truth; see `contract.InputPipeline`."""
    return _Validation(options)


def training_graph(options: PipelineOptions, columns: Columns) -> Graph:
    """The training pipeline, not yet built: batches (images, boxes_cxcywh, labels, rows)."""
    order = shuffled(len(columns.file_names), options.seed)
    return dali.pipeline_def(_define_training)(
        **_resources(options),
        split=require_data(options),
        options=options,
        file_names=[columns.file_names[row] for row in order],
    )


def validation_graph(options: PipelineOptions) -> Graph:
    """The validation pipeline, not yet built: batches (images, boxes_ltrb, labels, rows), boxes padded with 0."""
    return dali.pipeline_def(_define_validation)(**_resources(options), split=require_data(options), options=options)


def _resources(options: PipelineOptions) -> dict[str, Any]:
    on_gpu = options.device.type == "cuda"
    return {
        "batch_size": options.batch_size_per_gpu,
        "num_threads": max(1, options.threads),
        "device_id": (options.device.index or 0) if on_gpu else None,
        "seed": options.seed * options.world_size + options.rank,
        "prefetch_queue_depth": PREFETCHED_BATCHES,
    }


def _define_training(split: PreparedSplit, options: PipelineOptions, file_names: list[str]) -> tuple[Node, ...]:
    jpegs, boxes, labels, rows = fn.readers.coco(
        name=READER,
        file_root=str(split.image_root),
        annotations_file=str(split.annotations),
        images=file_names,  # the seed's order; `shuffle_after_epoch` alone knows no seed in DALI 1.34
        image_ids=True,
        ltrb=True,
        ratio=True,
        size_threshold=0.0,  # small boxes went, counted, when the data were prepared
        skip_empty=True,
        shard_id=options.rank,
        num_shards=options.world_size,
        shuffle_after_epoch=True,
    )
    # A coordinate beyond the edge by one rounding stops random_bbox_crop.
    crop_begin, crop_size, boxes, labels = fn.random_bbox_crop(
        dali.math.clamp(boxes, 0.0, 1.0),
        labels,
        bbox_layout="xyXY",
        thresholds=CROP_THRESHOLDS_IOU,
        aspect_ratio=CROP_ASPECT_RATIO,
        scaling=CROP_SCALE,
        allow_no_crop=True,
        num_attempts=1,
    )
    images = fn.decoders.image_slice(jpegs, crop_begin, crop_size, **_decoding(options))
    images = fn.hsv(
        _resized(images),
        dtype=types.FLOAT,
        hue=fn.random.uniform(range=HUE_DEGREES),
        saturation=fn.random.uniform(range=SATURATION),
    )
    images = fn.brightness_contrast(
        images,
        dtype=types.UINT8,
        brightness=fn.random.uniform(range=BRIGHTNESS),
        contrast=fn.random.uniform(range=CONTRAST),
        contrast_center=CONTRAST_CENTRE,
    )
    flip = fn.random.coin_flip(probability=FLIP_PROBABILITY)
    boxes = fn.bb_flip(boxes, ltrb=True, horizontal=flip)
    anchors = default_boxes("ltrb").flatten().tolist()
    boxes, labels = fn.box_encoder(boxes, labels, criteria=0.5, anchors=anchors)
    if options.device.type == "cuda":
        boxes, labels = boxes.gpu(), labels.gpu()
    return _normalised(images, options, mirror=flip), boxes, labels, rows


def _define_validation(split: PreparedSplit, options: PipelineOptions) -> tuple[Node, ...]:
    jpegs, boxes, labels, rows = fn.readers.coco(
        name=READER,
        file_root=str(split.image_root),
        annotations_file=str(split.annotations),
        image_ids=True,
        ltrb=True,
        ratio=True,
        size_threshold=0.0,
        shard_id=options.rank,
        num_shards=options.world_size,
        stick_to_shard=True,
        pad_last_batch=True,
    )
    images = fn.decoders.image(jpegs, **_decoding(options))
    images = _normalised(_resized(images), options)
    return images, fn.pad(boxes, fill_value=0), fn.pad(labels, fill_value=0), rows


def _decoding(options: PipelineOptions) -> dict[str, Any]:
    arguments = {"device": "mixed" if options.device.type == "cuda" else "cpu", "output_type": types.RGB}
    # The boxes are those of the pixels as stored; DALI 1.34 never turns an image, and knows no such argument.
    if dali.backend.GetSchema("decoders__Image").HasArgument("adjust_orientation"):
        arguments["adjust_orientation"] = False
    return arguments


def _resized(images: Node) -> Node:
    return fn.resize(
        images, resize_x=IMAGE_SIDE, resize_y=IMAGE_SIDE, min_filter=types.DALIInterpType.INTERP_TRIANGULAR
    )


def _normalised(images: Node, options: PipelineOptions, **mirror: Node) -> Node:
    return fn.crop_mirror_normalize(
        images,
        dtype=types.FLOAT,
        mean=[255 * value for value in MEAN_RGB],
        std=[255 * value for value in STD_RGB],
        output_layout="HWC" if options.channels_last else "CHW",
        **mirror,
    )


class _Reading:
    """A running DALI pipeline of one rank, up to its first error."""

    def __init__(self, graph: Graph, split: PreparedSplit, images: int) -> None:
        self._split = split
        self._error: DataError | None = None
        try:
            graph.build()
            found = graph.reader_meta(READER)["epoch_size"]
        except RuntimeError as error:
            raise self._data_error(error) from error
        if found != images:
            raise DataError(
                f"DALI finds {found} images in {split.annotations} where {images} were prepared: delete its "
                "directory and prepare the data again."
            )
        self._iterator = DALIGenericIterator([graph], list(OUTPUTS), size=-1, prepare_first_batch=False)

    def next(self) -> dict[str, torch.Tensor]:
        if self._error is not None:
            raise self._error
        try:
            batch: dict[str, torch.Tensor] = next(self._iterator)[0]
        except RuntimeError as error:
            self._error = self._data_error(error)
            raise self._error from error
        return batch

    def fail(self, error: DataError) -> None:
        self._error = error

    def _data_error(self, error: RuntimeError) -> DataError:
        text = str(error)
        file_name = re.search(r"Failed to decode sample #\d+ ?: ?(\S+)|File mapping failed: ?(\S+)", text)
        what = next((name for name in file_name.groups() if name), "") if file_name else ""
        first_line = next((line.strip() for line in text.splitlines() if line.strip()), "no text")
        return DataError(
            f"DALI failed on {what or 'an image'} of {self._split.image_root} ({first_line}): run "
            f"`ssdbench data verify {self._split.image_root.parent}`."
        )


class _Training:
    def __init__(self, options: PipelineOptions) -> None:
        split = require_data(options)
        self.batches_per_epoch = training_batches_per_epoch(options)
        self.images_per_epoch = self.batches_per_epoch * options.batch_size_per_gpu
        self.epoch_images: list[int] = []
        self._options = options
        self._check = PassCheck(split, len(shard(split.annotated_images, options.rank, options.world_size)))
        graph = training_graph(options, load_columns(split))
        self._reading: _Reading | None = _Reading(graph, split, split.annotated_images)

    def epoch(self) -> Iterator[TrainingBatch]:
        images = 0
        for _ in range(self.batches_per_epoch):
            batch = self._next()
            images += len(batch)
            yield batch
        self.epoch_images.append(images)

    def _next(self) -> TrainingBatch:
        reading = _open(self._reading)
        tensors = reading.next()
        try:
            self._check.take(tensors["rows"].flatten().tolist())
        except DataError as error:
            reading.fail(error)
            raise
        return TrainingBatch(
            images=_nchw(tensors["images"], self._options),
            boxes_cxcywh=tensors["boxes"],
            labels=tensors["labels"].flatten(1).long(),
        )

    def close(self) -> None:
        self._reading = None


class _Validation:
    def __init__(self, options: PipelineOptions) -> None:
        split = require_data(options)
        self._options = options
        self._columns = load_columns(split)
        self._shard = shard(split.images, options.rank, options.world_size)
        self.images_per_epoch = len(self._shard)
        self.batches_per_epoch = -(-len(self._shard) // options.batch_size_per_gpu)
        largest_shard = -(-split.images // options.world_size)
        self._batches_read = -(-largest_shard // options.batch_size_per_gpu)  # DALI pads every shard to this
        self._position = 0
        self.epoch_images: list[int] = []
        self._split = split
        self._reading: _Reading | None = _Reading(validation_graph(options), split, split.images)

    def epoch(self) -> Iterator[ValidationBatch]:
        self._finish_epoch()
        images = 0
        while self._position < self.batches_per_epoch:
            batch = self._next(self._shard[images : images + self._options.batch_size_per_gpu])
            images += len(batch)
            yield batch
        self._finish_epoch()
        self.epoch_images.append(images)

    def _finish_epoch(self) -> None:
        while 0 < self._position < self._batches_read:
            _open(self._reading).next()
            self._position += 1
        self._position = 0

    def _next(self, expected_rows: range) -> ValidationBatch:
        reading = _open(self._reading)
        tensors = reading.next()
        self._position += 1
        rows = tensors["rows"].flatten()[: len(expected_rows)]
        if rows.tolist() != list(expected_rows):
            error = DataError(
                f"the reader gave other images than {self._split.annotations} had when it was prepared: delete its "
                "directory and prepare the data again."
            )
            reading.fail(error)
            raise error
        counts = [self._columns.first_box[row + 1] - self._columns.first_box[row] for row in rows.tolist()]
        return ValidationBatch(
            images=_nchw(tensors["images"], self._options)[: len(rows)],
            image_ids=torch.from_numpy(self._columns.image_ids[rows]),
            image_sizes_hw=torch.from_numpy(self._columns.sizes_hw[rows]),
            boxes_ltrb=[boxes[:count] for boxes, count in zip(tensors["boxes"], counts, strict=False)],
            labels=[labels.flatten()[:count].long() for labels, count in zip(tensors["labels"], counts, strict=False)],
        )

    def close(self) -> None:
        self._reading = None


def _open(reading: _Reading | None) -> _Reading:
    if reading is None:
        raise RuntimeError("this pipeline is closed")
    return reading


def _nchw(images: torch.Tensor, options: PipelineOptions) -> torch.Tensor:
    return images.permute(0, 3, 1, 2) if options.channels_last else images
