"""An input pipeline with Pillow, torchvision v2 transforms and DataLoader workers, for machines without DALI.

The augmentation is the published one (see `augmentation`). Two things differ from DALI in cost, not in result: the
whole image is decoded before it is cropped, and images are normalised on the device, after the transfer. The random
numbers of an image depend only on the seed and its position in the stream. So the number of workers does not matter
(without workers it is a separate stream, equal up to rounding), and a resumed stream starts directly at its position.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, Tuple, Union

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional

from ssdbench.compatibility import zip_equal
from ssdbench.errors import DataError
from ssdbench.ssd.boxes import match
from ssdbench.ssd.coco import Columns, PreparedSplit, load_columns
from ssdbench.ssd.pipelines.augmentation import as_image, resize_transform, training_transform
from ssdbench.ssd.pipelines.bookmark import read_state, stream_of
from ssdbench.ssd.pipelines.contract import (
    MEAN_RGB,
    STD_RGB,
    InputPipeline,
    PipelineOptions,
    TrainingBatch,
    TrainingPipeline,
    ValidationBatch,
    require_data,
)
from ssdbench.ssd.pipelines.epochs import (
    ReadImages,
    TrainingEpochs,
    ValidationEpochs,
    batches_per_training_epoch,
    shard,
    shuffled,
)
from ssdbench.ssd.pipelines.shared_memory import end_worker_that_cannot_send, require_shared_memory, worker_ended

_IMAGE_BYTES = 3 * 300 * 300
_TRAINING_BYTES = _IMAGE_BYTES + 8732 * (4 * 4 + 8)  # with four coordinates and a label for each default box

Sample = Tuple[int, int]  # row in `Columns`, seed of the random numbers
Truth = Tuple[Tensor, Tensor, Tensor]  # image (3, 300, 300) uint8, boxes, labels


class _Item(NamedTuple):
    """One image from a worker."""

    row: int
    image: Tensor  # (3, 300, 300) uint8
    boxes: Tensor  # matched (8732, 4) cxcywh in training, (M, 4) ltrb in validation
    labels: Tensor


class _Items(NamedTuple):
    """A batch collated by a worker: a few large tensors move between processes faster than many small ones."""

    rows: list[int]
    images: Tensor  # (N, 3, 300, 300) uint8, in the requested memory format
    boxes: Tensor  # of all images, concatenated
    labels: Tensor
    counts: list[int]  # boxes of each image


def training(options: PipelineOptions) -> TrainingPipeline:
    """Augmented and matched batches; see `contract.InputPipeline`."""
    split = require_data(options)
    batches_per_training_epoch(options)  # rejects too small a data set before workers start
    # Workers use one thread each, this process may use several, which can round sums differently.
    stream = stream_of("torchvision" if options.threads else "torchvision without workers", options)
    start = read_state(stream, options.resume_state)
    columns = load_columns(split)
    annotated_rows = np.flatnonzero(np.diff(columns.first_box)).tolist()
    images = _Images(split, columns, _augmented)
    passes = _Passes(annotated_rows, options, start.batches)
    return TrainingEpochs(options, _Reader(images, passes, options, _TRAINING_BYTES), stream, start)


def validation(options: PipelineOptions) -> InputPipeline[ValidationBatch]:
    """Whole images with their ground truth; see `contract.InputPipeline`."""
    split = require_data(options)
    columns = load_columns(split)
    images = _Images(split, columns, _whole)
    return ValidationEpochs(options, columns, _Reader(images, _Shard(split.images, options), options, _IMAGE_BYTES))


def _augmented(image: Tensor, boxes_ltrb: Tensor, labels: Tensor, seed: int) -> Truth:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        image, boxes_ltrb, labels = training_transform()(image, boxes_ltrb, labels)
    return image, *match(boxes_ltrb, labels)


def _whole(image: Tensor, boxes_ltrb: Tensor, labels: Tensor, _seed: int) -> Truth:
    return resize_transform()(image), boxes_ltrb, labels


class _Images(Dataset[Union[_Item, DataError]]):
    """The images of a split with their ground truth; errors are items too, to arrive from a worker intact."""

    def __init__(
        self,
        split: PreparedSplit,
        columns: Columns,
        transform: Callable[[Tensor, Tensor, Tensor, int], Truth],
    ) -> None:
        self._root = split.image_root
        self._columns = columns
        self._transform = transform

    def __getitem__(self, sample: Sample) -> _Item | DataError:
        row, seed = sample
        try:
            image = decode(self._root, self._columns.file_names[row])
        except DataError as error:
            return error
        boxes = slice(self._columns.first_box[row], self._columns.first_box[row + 1])
        boxes_ltrb = torch.from_numpy(self._columns.boxes_ltrb[boxes])
        labels = torch.from_numpy(self._columns.labels[boxes])
        return _Item(row, *self._transform(as_image(image), boxes_ltrb, labels, seed))


def decode(root: Path, file_name: str) -> Tensor:
    """The pixels of an image file in a folder of images, (3, height, width) uint8 RGB.

    Raises:
        DataError: it cannot be decoded, or has more than 8 bits per channel: Pillow clips these where DALI scales them.
    """
    path = root / file_name
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise ValueError("it has more than 8 bits per channel")
            pixels: Tensor = functional.pil_to_tensor(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded ({error}): run `ssdbench data verify {root.parent}`.") from error
    return pixels


class _Passes:
    """The endless training batches of one rank: each pass is shuffled over all ranks."""

    def __init__(self, rows: list[int], options: PipelineOptions, batches_delivered: int) -> None:
        self._rows = rows
        self._options = options
        self._images_delivered = batches_delivered * options.batch_size_per_gpu

    def __iter__(self) -> Iterator[list[Sample]]:
        samples = self._samples()
        while True:
            yield list(islice(samples, self._options.batch_size_per_gpu))

    def _samples(self) -> Iterator[Sample]:
        options = self._options
        own = shard(len(self._rows), options.rank, options.world_size)
        first_pass, delivered_of_pass = divmod(self._images_delivered, len(own))
        drawn = count(self._images_delivered)
        for number in count(first_pass):
            order = shuffled(len(self._rows), options.seed, number)
            for position in own[delivered_of_pass:]:
                entropy = np.random.SeedSequence([options.seed, options.rank, next(drawn)])
                yield self._rows[order[position]], int(entropy.generate_state(1)[0])
            delivered_of_pass = 0


class _Shard:
    """The validation batches of one rank, in order."""

    def __init__(self, images: int, options: PipelineOptions) -> None:
        self._rows = shard(images, options.rank, options.world_size)
        self._batch_size = options.batch_size_per_gpu

    def __iter__(self) -> Iterator[list[Sample]]:
        for first in range(0, len(self._rows), self._batch_size):
            yield [(row, 0) for row in self._rows[first : first + self._batch_size]]


def _collated(memory_format: torch.memory_format, items: list[_Item | DataError]) -> _Items | DataError:
    sound = [item for item in items if isinstance(item, _Item)]
    if len(sound) < len(items):
        return next(item for item in items if isinstance(item, DataError))
    rows, images, boxes, labels = zip_equal(*sound)
    stacked = torch.stack([image.as_subclass(Tensor) for image in images])
    return _Items(
        rows=list(rows),
        images=stacked.contiguous(memory_format=memory_format),
        boxes=torch.cat(boxes),
        labels=torch.cat(labels),
        counts=[len(image_boxes) for image_boxes in boxes],
    )


class _Reader:
    """A DataLoader and its workers; implements `epochs.TrainingReader` and `epochs.ValidationReader`."""

    def __init__(
        self, images: _Images, samples: Iterable[list[Sample]], options: PipelineOptions, image_bytes: int
    ) -> None:
        require_shared_memory(options.threads, options.batch_size_per_gpu * image_bytes)
        memory_format = torch.channels_last if options.channels_last else torch.contiguous_format
        self._device = options.device
        self._loader: DataLoader[Any] | None = DataLoader(
            images,
            batch_sampler=samples,
            collate_fn=functools.partial(_collated, memory_format),
            num_workers=options.threads,
            persistent_workers=options.threads > 0,
            pin_memory=options.device.type == "cuda",
            worker_init_fn=end_worker_that_cannot_send,
        )
        self._running: Iterator[_Items | DataError] | None = None

    def read(self) -> tuple[list[int], TrainingBatch]:
        if self._running is None:
            self._running = self._start()
        items = _next(self._running)
        assert items is not None  # the batches of training never end
        return items.rows, TrainingBatch(
            images=_normalised(items.images, self._device),
            boxes_cxcywh=items.boxes.to(self._device, non_blocking=True).view(len(items.rows), -1, 4),
            labels=items.labels.to(self._device, non_blocking=True).view(len(items.rows), -1),
        )

    def checkpoint(self) -> bytes:
        return b""  # the number of batches determines the position

    def read_shard(self) -> Iterator[ReadImages]:
        self._running = self._start()
        while (items := _next(self._running)) is not None:
            yield ReadImages(
                rows=items.rows,
                images=_normalised(items.images, self._device),
                boxes_ltrb=list(torch.split(items.boxes, items.counts)),
                labels=list(torch.split(items.labels, items.counts)),
            )

    def _start(self) -> Iterator[_Items | DataError]:
        assert self._loader is not None
        with warnings.catch_warnings():
            # Python 3.12 warns about forking with threads; the workers use nothing but their own images.
            warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
            return iter(self._loader)

    def close(self) -> None:
        # An error that somebody holds keeps the iterator alive. If the garbage collector ended the workers later, it
        # would close their pipes while a thread that it has just started uses them.
        end_workers = getattr(self._running, "__del__", None)
        if end_workers is not None:
            end_workers()
        self._running = self._loader = None


def _next(running: Iterator[_Items | DataError]) -> _Items | None:
    try:
        items = next(running, None)
    except RuntimeError as error:
        raise worker_ended(error) from error
    if isinstance(items, DataError):
        raise items
    return items


def _normalised(images: Tensor, device: torch.device) -> Tensor:
    mean, std = _mean_and_std(device)
    return images.to(device, non_blocking=True).float().sub_(mean).div_(std)


@functools.lru_cache(maxsize=None)
def _mean_and_std(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and std of pixels 0..255, (3, 1, 1) each, read-only. Cached: copying them waits for the device."""
    # A tensor created in inference mode could not be used in training afterwards.
    with torch.inference_mode(False):
        mean, std = (255 * torch.tensor(values).view(3, 1, 1) for values in (MEAN_RGB, STD_RGB))
        return mean.to(device), std.to(device)
