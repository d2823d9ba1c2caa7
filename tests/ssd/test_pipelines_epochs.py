"""Shards, passes and epochs, without images."""

from collections.abc import Callable, Iterator
from itertools import chain, count, islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared, load_columns
from ssdbench.ssd.pipelines.contract import TrainingBatch, endless
from ssdbench.ssd.pipelines.epochs import (
    PassCheck,
    ReadImages,
    TrainingEpochs,
    ValidationEpochs,
    shard,
    shuffled,
)
from tests.ssd.planting import Options


class Reader:
    """Gives empty batches with the rows it is told, until they end."""

    def __init__(self, batches: Iterator[list[int]]) -> None:
        self._batches = batches
        self.closed = False

    def read(self) -> tuple[list[int], TrainingBatch]:
        rows = next(self._batches)
        return rows, TrainingBatch(images=torch.zeros(len(rows)), boxes_cxcywh=torch.zeros(0), labels=torch.zeros(0))

    def read_shard(self) -> Iterator[ReadImages]:
        for rows in self._batches:
            yield ReadImages(rows=rows, images=torch.zeros(len(rows)), boxes_ltrb=[], labels=[])

    def close(self) -> None:
        self.closed = True


def batches_of(rows: Iterator[int], size: int) -> Iterator[list[int]]:
    while batch := list(islice(rows, size)):
        yield batch


@given(images=st.integers(0, 300), world_size=st.integers(1, 20))
def test_shards_cover_everything_disjoint_and_even(images: int, world_size: int) -> None:
    shards = [shard(images, rank, world_size) for rank in range(world_size)]
    assert list(chain(*shards)) == list(range(images))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_an_order_is_a_permutation_that_the_seed_decides() -> None:
    assert sorted(shuffled(50, 1)) == list(range(50))
    assert shuffled(50, 1) == shuffled(50, 1) != shuffled(50, 2)
    assert shuffled(50, 1, 0) != shuffled(50, 1, 1)


def test_a_pass_may_end_within_a_batch(prepared: Prepared) -> None:
    check = PassCheck(prepared.train, 5)
    for rows in ([4, 2, 0], [1, 3, 0], [1, 2, 3], [4, 9, 8]):
        check.take(rows)


@pytest.mark.parametrize("rows", [[0, 1, 0], [0, 1, 2, 3, 1, 0]])
def test_a_pass_that_begins_anew_too_early_is_an_error(prepared: Prepared, rows: list[int]) -> None:
    with pytest.raises(DataError, match=r"began anew after \d of its 5 images: .*train\.json is not what was prepared"):
        PassCheck(prepared.train, 5).take(rows)


def test_epochs_are_cut_from_an_endless_stream_without_loss(options: Options) -> None:
    reader = Reader(batches_of((i % 62 for i in count()), 20))
    epochs = TrainingEpochs(options(batch_size_per_gpu=20), reader)
    assert [len(batch) for batch in islice(endless(epochs), 7)] == [20] * 7
    assert epochs.epoch_images == [60, 60]


def test_a_short_pass_ends_the_training_for_good(options: Options) -> None:
    reader = Reader(batches_of((i % 40 for i in count()), 20))
    epochs = TrainingEpochs(options(batch_size_per_gpu=20), reader)
    stream = epochs.epoch()
    assert [len(next(stream)), len(next(stream))] == [20, 20]
    with pytest.raises(DataError, match="began anew after 40 of its 62"):
        next(stream)
    assert reader.closed
    with pytest.raises(DataError, match="began anew after 40 of its 62"):
        next(epochs.epoch())
    assert epochs.epoch_images == []


@pytest.mark.parametrize(
    "change", [lambda rows: rows[:-1], lambda rows: [*rows, 0], lambda rows: rows[::-1]], ids=["short", "long", "order"]
)
def test_validation_that_sees_other_images_is_an_error(
    options: Options, prepared: Prepared, change: Callable[[list[int]], list[int]]
) -> None:
    reader = Reader(batches_of(iter(change(list(range(prepared.val.images)))), 4))
    epochs = ValidationEpochs(options(data=prepared.val, batch_size_per_gpu=4), load_columns(prepared.val), reader)
    with pytest.raises(DataError, match="gave other images than"):
        list(epochs.epoch())
    assert reader.closed
    assert epochs.epoch_images == []


def test_closing_twice_closes_once_and_says_so(options: Options) -> None:
    epochs = TrainingEpochs(options(), Reader(iter([])))
    epochs.close()
    epochs.close()
    with pytest.raises(RuntimeError, match="this pipeline is closed"):
        next(epochs.epoch())
