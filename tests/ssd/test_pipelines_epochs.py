"""Shards, passes and epochs, without images."""

from collections.abc import Callable, Iterator
from itertools import chain, count, islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared, load_columns
from ssdbench.ssd.pipelines.bookmark import Bookmark, read_state, stream_of
from ssdbench.ssd.pipelines.contract import PipelineOptions, TrainingBatch, endless
from ssdbench.ssd.pipelines.epochs import (
    EpochCoverageCheck,
    ReadImages,
    TrainingEpochs,
    ValidationEpochs,
    shard,
    shuffled,
)
from tests.ssd.planting import Options


class Reader:
    """Returns empty batches with the given rows, until they end."""

    def __init__(self, batches: Iterator[list[int]]) -> None:
        self._batches = batches
        self.closed = False

    def read(self) -> tuple[list[int], TrainingBatch]:
        rows = next(self._batches)
        return rows, TrainingBatch(images=torch.zeros(len(rows)), boxes_cxcywh=torch.zeros(0), labels=torch.zeros(0))

    def read_shard(self) -> Iterator[ReadImages]:
        for rows in self._batches:
            yield ReadImages(rows=rows, images=torch.zeros(len(rows)), boxes_ltrb=[], labels=[])

    def checkpoint(self) -> bytes:
        return b"here"

    def close(self) -> None:
        self.closed = True


def training_epochs(options: PipelineOptions, reader: Reader, start: Bookmark = Bookmark()) -> TrainingEpochs:  # noqa: B008  # frozen
    return TrainingEpochs(options, reader, stream_of("test", options), start)


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
    check = EpochCoverageCheck(prepared.train, 5)
    for rows in ([4, 2, 0], [1, 3, 0], [1, 2, 3], [4, 9, 8]):
        check.take(rows)


@pytest.mark.parametrize("rows", [[0, 1, 0], [0, 1, 2, 3, 1, 0]])
def test_a_pass_that_begins_anew_too_early_is_an_error(prepared: Prepared, rows: list[int]) -> None:
    words = r"started again after \d of its 5 images: .*train\.json is not what was prepared"
    with pytest.raises(DataError, match=words):
        EpochCoverageCheck(prepared.train, 5).take(rows)


def test_epochs_are_cut_from_an_endless_stream_without_loss(options: Options) -> None:
    reader = Reader(batches_of((i % 62 for i in count()), 20))
    epochs = training_epochs(options(batch_size_per_gpu=20), reader)
    assert [len(batch) for batch in islice(endless(epochs), 7)] == [20] * 7
    assert epochs.epoch_images == [60, 60]


def test_a_short_pass_ends_the_training_for_good(options: Options) -> None:
    reader = Reader(batches_of((i % 40 for i in count()), 20))
    epochs = training_epochs(options(batch_size_per_gpu=20), reader)
    stream = epochs.epoch()
    assert [len(next(stream)), len(next(stream))] == [20, 20]
    with pytest.raises(DataError, match="started again after 40 of its 62"):
        next(stream)
    assert reader.closed
    with pytest.raises(DataError, match="started again after 40 of its 62"):
        next(epochs.epoch())
    assert epochs.epoch_images == []


def test_a_state_holds_the_place_and_what_the_open_pass_gave(options: Options) -> None:
    asked = options(batch_size_per_gpu=20)
    epochs = training_epochs(asked, Reader(batches_of((i % 62 for i in count()), 20)))
    assert [len(batch) for batch in islice(endless(epochs), 4)] == [20] * 4
    place = read_state(stream_of("test", asked), epochs.state())
    assert place == Bookmark(batches=4, epoch_batches=1, rows=frozenset(range(18)), reader=b"here")


def test_a_resumed_pass_that_begins_anew_is_an_error(options: Options) -> None:
    start = Bookmark(batches=1, epoch_batches=1, rows=frozenset(range(20)))
    for first, sound in ((20, True), (0, False)):
        rows = (i % 62 for i in count(first))
        epochs = training_epochs(options(batch_size_per_gpu=20), Reader(batches_of(rows, 20)), start)
        if sound:
            assert len(list(epochs.epoch())) == 2
            assert epochs.epoch_images == [40]
        else:
            with pytest.raises(DataError, match="started again after 20 of its 62"):
                next(epochs.epoch())


@pytest.mark.parametrize(
    "change", [lambda rows: rows[:-1], lambda rows: [*rows, 0], lambda rows: rows[::-1]], ids=["short", "long", "order"]
)
def test_validation_that_sees_other_images_is_an_error(
    options: Options, prepared: Prepared, change: Callable[[list[int]], list[int]]
) -> None:
    reader = Reader(batches_of(iter(change(list(range(prepared.val.images)))), 4))
    epochs = ValidationEpochs(options(data=prepared.val, batch_size_per_gpu=4), load_columns(prepared.val), reader)
    with pytest.raises(DataError, match="returned other images than"):
        list(epochs.epoch())
    assert reader.closed
    assert epochs.epoch_images == []


def test_closing_twice_closes_once_and_says_so(options: Options) -> None:
    epochs = training_epochs(options(), Reader(iter([])))
    epochs.close()
    epochs.close()
    with pytest.raises(RuntimeError, match="this pipeline is closed"):
        next(epochs.epoch())
