"""The interface of input pipelines.

A pipeline is a module of this package with two functions:

    training(options: PipelineOptions) -> TrainingPipeline
    validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd.coco import PreparedSplit

MEAN_RGB = (0.485, 0.456, 0.406)  # of images scaled to [0, 1]; source: torchvision's ImageNet weights
STD_RGB = (0.229, 0.224, 0.225)

# The published augmentation (NVIDIA, "SSD v1.1 for PyTorch"; Liu et al., arXiv:1512.02325, section 2.2).
CROP_THRESHOLDS_IOU = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # and no crop; all equally likely
CROP_ASPECT_RATIO = (0.5, 2.0)
CROP_SCALE = (0.3, 1.0)
FLIP_PROBABILITY = 0.5
HUE_DEGREES = (-0.5, 0.5)
SATURATION = (0.5, 1.5)
CONTRAST = (0.5, 1.5)
CONTRAST_CENTRE = 128.0  # of 0..255
BRIGHTNESS = (0.875, 1.125)

BatchT_co = TypeVar("BatchT_co", covariant=True)
BatchT = TypeVar("BatchT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """The settings of a pipeline on one rank."""

    batch_size_per_gpu: int
    device: torch.device  # of the batches; selects DALI's CPU or GPU variant
    decode: Literal["cpu", "mixed"] = "mixed"  # how `dali` decodes for a GPU, see `dali_graph`
    rank: int = 0
    world_size: int = 1
    seed: int = 0
    data: PreparedSplit | None = None  # `resident` needs none
    channels_last: bool = True
    threads: int = 2  # CPU threads (or worker processes) of the pipeline on this rank
    resumable: bool = False  # training: make resuming cheap even if that costs something, see `dali`
    resume_state: bytes | None = None  # training: continue after this position, see `TrainingPipeline.state`


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """Augmented images with their matched default boxes, on the requested device."""

    images: Tensor  # (N, 3, 300, 300) float32, normalised, in the requested memory format
    boxes_cxcywh: Tensor  # (N, 8732, 4) float32, relative
    labels: Tensor  # (N, 8732) int64, 0 is background

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationBatch:
    """Whole images with their ground truth; the images on the requested device, the rest on the CPU."""

    images: Tensor  # (N, 3, 300, 300) float32, normalised, in the requested memory format
    image_ids: Tensor  # (N,) int64, as in the user's annotation file
    image_sizes_hw: Tensor  # (N, 2) int64, in pixels of the original
    boxes_ltrb: list[Tensor]  # N x (M, 4) float32, relative; M may be 0
    labels: list[Tensor]  # N x (M,) int64, 1..80

    def __len__(self) -> int:
        return len(self.images)


class InputPipeline(Protocol[BatchT_co]):
    """A source of batches for one rank.

    Training: each rank reads its shard of the annotated images in passes, and the images are reshuffled over all ranks
    after each pass. An epoch is `batches_per_epoch` full batches, the same number on every rank. The rest of a pass
    starts the next epoch, so no image is lost or decoded in vain. Every pass is checked to contain every image of the
    shard exactly once.

    Validation: an epoch has each image of the shard exactly once, in the order of the annotation file; the last batch
    may be smaller.
    """

    images_per_epoch: int  # of this rank
    batches_per_epoch: int
    epoch_images: list[int]  # the actual number of images in each finished epoch

    def epoch(self) -> Iterator[BatchT_co]:
        """The batches of one epoch; `DataError` if the data are faulty, and again in every later call."""

    def close(self) -> None:
        """Release threads, processes and memory."""


class TrainingPipeline(InputPipeline[TrainingBatch], Protocol):
    """A source of training batches that another process can continue, bit for bit.

    Opened with a state, a pipeline delivers the batches that would have come next. If the state was taken within an
    epoch, the first epoch is the rest of that one; `epoch_images` counts only the images of this process.
    """

    def state(self) -> bytes:
        """The position in the stream after the batches delivered so far, without those read ahead; callable at any
        time.

        It is valid only for the same pipeline and variant, seed, rank, world size, batch size and data; opening any
        other pipeline with it is a `DataError`. After the last batch of an epoch it is a position between epochs.
        """


def endless(pipeline: InputPipeline[BatchT]) -> Iterator[BatchT]:
    """The batches of epoch after epoch."""
    while True:
        yield from pipeline.epoch()


def require_data(options: PipelineOptions) -> PreparedSplit:
    """The data set of the options; `DataError` if there is none."""
    if options.data is None:
        raise DataError("this pipeline needs a data set, and none is given: prepare one, or use the resident pipeline.")
    return options.data
