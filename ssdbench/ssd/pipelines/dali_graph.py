"""The DALI graphs, with one definition for CPU and GPU; `dali` reads their output.

For a GPU there are two ways to decode. "cpu" is the published one: the CPU decodes, crops, flips and resizes, 300x300
pixels of 8 bits are copied to the GPU, which changes colours and normalises (NVIDIA, "SSD v1.1 for PyTorch", releases
21.05 to 22.10, ssd/coco_pipeline.py). "mixed" copies the JPEG: the CPU parses its header, the GPU does the rest.
"""

from __future__ import annotations

import re
from typing import Any

from ssdbench.errors import EnvironmentLacksError
from ssdbench.ssd.boxes import IMAGE_SIDE, MATCH_IOU, default_boxes
from ssdbench.ssd.pipelines.contract import (
    BRIGHTNESS,
    CONTRAST,
    CONTRAST_CENTRE,
    CROP_ASPECT_RATIO,
    CROP_SCALE,
    CROP_THRESHOLDS_IOU,
    FLIP_PROBABILITY,
    HUE_DEGREES,
    MEAN_RGB,
    SATURATION,
    STD_RGB,
    PipelineOptions,
    require_data,
)

try:
    from nvidia import dali as untyped_dali
    from nvidia.dali.plugin.pytorch import DALIGenericIterator
except ImportError as error:
    raise EnvironmentLacksError(
        f"the dali pipeline needs NVIDIA DALI ({error}): install the extra that fits the CUDA of your torch, "
        "ssdbench[dali-cuda110], ssdbench[dali-cuda120] or ssdbench[dali-cuda130], or use the torchvision pipeline."
    ) from error

dali: Any = untyped_dali  # its type stubs differ between versions and are incomplete
fn, types = dali.fn, dali.types
BatchIterator: Any = DALIGenericIterator
Graph = Any  # nvidia.dali.Pipeline
Node = Any  # nvidia.dali.pipeline.Node

# The oldest tested version: that of NVIDIA's image 23.06, the first with torch 2.1.
OLDEST_VERSION = (1, 26)
VERSION = tuple(int(number) for number in re.findall(r"\d+", dali.__version__)[:2])
if VERSION < OLDEST_VERSION:
    raise EnvironmentLacksError(
        f"DALI {dali.__version__} is too old for the dali pipeline: use 1.26 or newer, or the torchvision pipeline."
    )

READER = "coco"
OUTPUTS = ("images", "boxes", "labels", "rows")  # rows: row numbers of the images in `Columns`


def training_graph(options: PipelineOptions, file_names: list[str]) -> tuple[Node, ...]:
    """The graph for training: images, boxes_cxcywh (8732, 4), labels (8732,), rows."""
    jpegs, boxes, labels, rows = _shard_of_coco(
        options,
        images=file_names,  # shuffled by our seed: in DALI 1.34 `shuffle_after_epoch` alone ignores the seed
        shuffle_after_epoch=True,
        skip_empty=True,
    )
    # random_bbox_crop fails if a coordinate exceeds the edge by a single rounding error.
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
    flip = fn.random.coin_flip(probability=FLIP_PROBABILITY)
    mirror = {"mirror": flip}
    if moves_pixels(options):
        images, mirror = fn.flip(images, horizontal=flip), {}
    images = _coloured(_resized(images, options))
    boxes = fn.bb_flip(boxes, ltrb=True, horizontal=flip)
    anchors = default_boxes("ltrb").flatten().tolist()
    boxes, labels = fn.box_encoder(boxes, labels, criteria=MATCH_IOU, anchors=anchors)
    if options.device.type == "cuda":
        boxes, labels = boxes.gpu(), labels.gpu()
    return _normalised(images, options, **mirror), boxes, labels, rows


def validation_graph(options: PipelineOptions) -> tuple[Node, ...]:
    """The graph for validation: images, boxes_ltrb and labels padded with 0, rows."""
    jpegs, boxes, labels, rows = _shard_of_coco(options, stick_to_shard=True, pad_last_batch=True)
    images = fn.decoders.image(jpegs, **_decoding(options))
    images = _normalised(_resized(images, options), options)
    return images, fn.pad(boxes, fill_value=0), fn.pad(labels, fill_value=0), rows


def _shard_of_coco(options: PipelineOptions, **order: Any) -> tuple[Node, Node, Node, Node]:
    split = require_data(options)
    jpegs, boxes, labels, rows = fn.readers.coco(
        name=READER,
        file_root=str(split.image_root),
        annotations_file=str(split.annotations),
        image_ids=True,
        ltrb=True,
        ratio=True,
        size_threshold=0.0,  # small boxes were dropped, and counted, when the data were prepared
        shard_id=options.rank,
        num_shards=options.world_size,
        **order,
    )
    return jpegs, boxes, labels, rows


def moves_pixels(options: PipelineOptions) -> bool:
    """Whether the CPU decodes for a GPU, so that pixels are copied there instead of JPEGs."""
    return options.device.type == "cuda" and options.decode == "cpu"


def _decoding(options: PipelineOptions) -> dict[str, Any]:
    on_gpu = options.device.type == "cuda" and not moves_pixels(options)
    arguments = {"device": "mixed" if on_gpu else "cpu", "output_type": types.RGB}
    # Boxes refer to the pixels as stored. DALI 1.34 and older never rotate an image and lack this argument.
    if "adjust_orientation" in dali.backend.GetSchema("decoders__Image").GetArgumentNames():
        arguments["adjust_orientation"] = False
    return arguments


def _resized(images: Node, options: PipelineOptions) -> Node:
    images = fn.resize(
        images, resize_x=IMAGE_SIDE, resize_y=IMAGE_SIDE, min_filter=types.DALIInterpType.INTERP_TRIANGULAR
    )
    return images.gpu() if moves_pixels(options) else images


def _coloured(images: Node) -> Node:
    # Float between the two operators, so that nothing is clipped or rounded twice.
    images = fn.hsv(
        images,
        dtype=types.FLOAT,
        hue=fn.random.uniform(range=HUE_DEGREES),
        saturation=fn.random.uniform(range=SATURATION),
    )
    return fn.brightness_contrast(
        images,
        dtype=types.UINT8,
        brightness=fn.random.uniform(range=BRIGHTNESS),
        contrast=fn.random.uniform(range=CONTRAST),
        contrast_center=CONTRAST_CENTRE,
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
