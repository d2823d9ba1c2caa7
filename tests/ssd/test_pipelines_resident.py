"""Batches that stay on the device."""

from itertools import islice
from typing import Any

import pytest
import torch

from ssdbench.ssd.pipelines import resident
from ssdbench.ssd.pipelines.contract import PipelineOptions, endless


def options(**overrides: Any) -> PipelineOptions:
    return PipelineOptions(**{"batch_size_per_gpu": 3, "device": torch.device("cpu"), **overrides})


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_training_batch_is_what_the_contract_says(channels_last: bool) -> None:
    batch = next(resident.training(options(channels_last=channels_last)).epoch())
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 300, 300), torch.float32)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.images.is_contiguous(memory_format=layout)
    assert (batch.boxes_cxcywh.shape, batch.labels.shape) == ((3, 8732, 4), (3, 8732))
    assert bool(((batch.labels > 0).sum(dim=1) >= resident.BOXES_PER_IMAGE - 1).all())


def test_a_validation_batch_has_the_boxes_of_each_image() -> None:
    batch = next(resident.validation(options()).epoch())
    assert len(batch) == len(batch.boxes_ltrb) == len(batch.labels) == 3
    assert all(bool((boxes[:, :2] < boxes[:, 2:]).all()) for boxes in batch.boxes_ltrb)
    assert batch.image_sizes_hw.tolist() == [[300, 300]] * 3


def test_the_same_batches_come_round_again_without_a_copy() -> None:
    batches = list(islice(endless(resident.training(options())), 2 * resident.DISTINCT_BATCHES))
    assert batches[0] is batches[resident.DISTINCT_BATCHES]
    assert batches[0] is not batches[1]


def test_the_seed_and_the_rank_decide_the_batch() -> None:
    first, again, other, rank = (
        next(resident.training(options(seed=seed, rank=rank, world_size=2)).epoch())
        for seed, rank in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)
    assert not torch.equal(first.images, rank.images)


def test_an_epoch_is_counted() -> None:
    pipeline = resident.training(options())
    assert len(list(pipeline.epoch())) == pipeline.batches_per_epoch
    assert pipeline.epoch_images == [pipeline.images_per_epoch]


@pytest.mark.gpu
def test_batches_are_on_the_gpu() -> None:
    batch = next(resident.training(options(device=torch.device("cuda", 0))).epoch())
    assert {batch.images.device, batch.boxes_cxcywh.device, batch.labels.device} == {torch.device("cuda", 0)}
