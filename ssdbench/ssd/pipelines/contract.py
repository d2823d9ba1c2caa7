"""What every input pipeline takes and gives.

A pipeline is a module of this package with two functions, found by name:

    training(options: PipelineOptions) -> TrainingPipeline
    validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from ssdbench.errors import DataError
from ssdbench.ssd.coco import PreparedSplit

MEAN_RGB = (0.485, 0.456, 0.406)  # of images scaled to [0, 1]; source: torchvision's ImageNet weights
STD_RGB = (0.229, 0.224, 0.225)

# The published augmentation (NVIDIA, "SSD v1.1 for PyTorch"; Liu et al., arXiv:1512.02325, section 2.2).
CROP_THRESHOLDS_IOU = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # and, as likely as each of these, no crop
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
    """What a pipeline is asked for."""

    batch_size_per_gpu: int
    device: torch.device  # where the batches are wanted; decides DALI's CPU or GPU variant
    decode: Literal["cpu", "mixed"] = "mixed"  # where `dali` decodes for a GPU, see `dali_graph`
    rank: int = 0
    world_size: int = 1
    seed: int = 0
    data: PreparedSplit | None = None  # `resident` needs none
    channels_last: bool = True
    threads: int = 2  # CPU threads (or worker processes) of the pipeline on this rank
    resumable: bool = False  # training: make `resume_state` cheap where that has a price, see `dali`
    resume_state: bytes | None = None  # training: go on behind this place, see `TrainingPipeline.state`


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """Augmented images with their matched default boxes, on the device asked for."""

    images: Tensor  # (N, 3, 300, 300) float32, normalised, in the memory format asked for
    boxes_cxcywh: Tensor  # (N, 8732, 4) float32, relative
    labels: Tensor  # (N, 8732) int64, 0 is background

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationBatch:
    """Whole images with their ground truth; the images on the device asked for, the rest on the CPU."""

    images: Tensor  # (N, 3, 300, 300) float32, normalised, in the memory format asked for
    image_ids: Tensor  # (N,) int64, the ids of the user's annotation file
    image_sizes_hw: Tensor  # (N, 2) int64, pixels of the original
    boxes_ltrb: list[Tensor]  # N x (M, 4) float32, relative; M may be 0
    labels: list[Tensor]  # N x (M,) int64, 1..80

    def __len__(self) -> int:
        return len(self.images)


class InputPipeline(Protocol[BatchT_co]):
    """A source of batches for one rank.

    Training: each rank goes through its shard of the annotated images in passes, reshuffled over all ranks after
    each. An epoch is `batches_per_epoch` full batches, as many on every rank; what a pass has left over begins the
    next epoch, so no image is lost and none is decoded for nothing. Every pass is checked to hold every image of
    the shard exactly once.

    Validation: an epoch is each image of the shard exactly once, in the order of the annotation file, the last batch
    partial.
    """

    images_per_epoch: int  # of this rank
    batches_per_epoch: int
    epoch_images: list[int]  # the images that each finished epoch really had

    def epoch(self) -> Iterator[BatchT_co]:
        """The batches of one epoch; `DataError` if the data fail, and from then on always."""

    def close(self) -> None:
        """Give up threads, processes and memory."""


class TrainingPipeline(InputPipeline[TrainingBatch], Protocol):
    """A source of training batches that another process can go on with, bit for bit.

    Opened with a state, a pipeline gives the batches that would have come next. If the state was taken within an
    epoch, the first epoch is the rest of that one; `epoch_images` counts only what this process gave.
    """

    def state(self) -> bytes:
        """The place in the stream behind the batches given so far, at any time; read ahead is not given.

        It is of this stream alone: pipeline and its variant, seed, rank, world size, batch size and data must be the
        same, otherwise opening a pipeline with it is a `DataError`. Behind the last batch of an epoch it is a place
        between epochs.
        """


def endless(pipeline: InputPipeline[BatchT]) -> Iterator[BatchT]:
    """Epoch after epoch."""
    while True:
        yield from pipeline.epoch()


def require_data(options: PipelineOptions) -> PreparedSplit:
    """The split of the options; `DataError` if there is none."""
    if options.data is None:
        raise DataError("this pipeline reads a data set and none is given: prepare one, or use the resident one.")
    return options.data
