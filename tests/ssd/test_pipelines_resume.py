"""A training stream that was stopped continues as if it had not been, bit for bit."""

import importlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared, PreparedSplit
from ssdbench.ssd.pipelines import bookmark, resident, torchvision
from ssdbench.ssd.pipelines.bookmark import Bookmark, read_state, stream_of, write_state
from ssdbench.ssd.pipelines.contract import PipelineOptions, TrainingBatch, TrainingPipeline, endless
from ssdbench.ssd.preparation import prepare
from tests.ssd.planting import Options, Plant, ignore_progress

# 13 annotated images: 6 batches of 2 make an epoch, 3 on each of two ranks, whose passes are of 6 and 7 images.
TWO_EPOCHS_AND_A_HALF = {1: 15, 2: 8}
RANKS = [(1, 0), (2, 1)]

Open = Callable[..., TrainingPipeline]


@pytest.fixture
def small(plant: Plant) -> PreparedSplit:
    directory = plant(images=14)
    return prepare(directory, directory.parent / "cache", ignore_progress).train


@pytest.fixture(params=["dali", "dali resumable", "torchvision", "resident"])
def start(request: pytest.FixtureRequest, small: PreparedSplit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    name, *resumable = request.param.split()
    module = importlib.import_module(f"ssdbench.ssd.pipelines.{name}")
    monkeypatch.setattr(resident, "BATCHES_PER_EPOCH", 3)  # odd: the second epoch does not begin where the first ended
    opened: list[TrainingPipeline] = []

    def open_pipeline(**overrides: Any) -> TrainingPipeline:
        chosen = {"batch_size_per_gpu": 2, "device": torch.device("cpu"), "data": small, "seed": 7, "threads": 0}
        opened.append(module.training(PipelineOptions(**{**chosen, "resumable": bool(resumable), **overrides})))
        return opened[-1]

    yield open_pipeline
    for pipeline in opened:
        pipeline.close()


def give(pipeline: TrainingPipeline, batches: int) -> list[TrainingBatch]:
    return list(islice(endless(pipeline), batches))


def assert_equal(found: list[TrainingBatch], expected: list[TrainingBatch]) -> None:
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine.images, theirs.images)
        assert torch.equal(mine.boxes_cxcywh, theirs.boxes_cxcywh)
        assert torch.equal(mine.labels, theirs.labels)


@pytest.mark.parametrize(("world_size", "rank"), RANKS)
def test_the_stream_continues_where_it_stopped(start: Open, world_size: int, rank: int) -> None:
    place = {"world_size": world_size, "rank": rank}
    whole = start(**place)
    length = TWO_EPOCHS_AND_A_HALF[world_size]
    expected = give(whole, length)
    for stop in (whole.batches_per_epoch, whole.batches_per_epoch + 2):
        stopped = start(**place)
        assert_equal(give(stopped, stop), expected[:stop])
        assert_equal(give(start(**place, resume_state=stopped.state()), length - stop), expected[stop:])


def test_a_stream_may_be_stopped_again_and_again(start: Open) -> None:
    place = {"world_size": 2, "rank": 1}
    expected = give(start(**place), 8)
    state = None
    for first in range(0, 8, 2):
        pipeline = start(**place, resume_state=state)
        assert_equal(give(pipeline, 2), expected[first : first + 2])
        state = pipeline.state()


@pytest.mark.parametrize("start", ["dali resumable", "torchvision"], indirect=True)
def test_batches_read_ahead_were_not_delivered(start: Open) -> None:
    expected = give(start(threads=1), 4)
    stopped = start(threads=2)
    give(stopped, 1)
    assert_equal(give(start(threads=1, resume_state=stopped.state()), 3), expected[1:])


def test_asking_for_the_state_changes_nothing(start: Open) -> None:
    expected = give(start(world_size=2), 5)
    asked = start(world_size=2)
    batches = []
    for batch in islice(endless(asked), 5):
        assert asked.state() == asked.state()
        batches.append(batch)
    assert_equal(batches, expected)


def test_the_rest_of_an_epoch_is_an_epoch(start: Open) -> None:
    stopped = start(world_size=2)
    give(stopped, 4)
    resumed = start(world_size=2, resume_state=stopped.state())
    assert [len(list(resumed.epoch())) for _ in range(2)] == [2, 3]
    assert resumed.epoch_images == [4, 6]


def test_after_the_last_batch_of_an_epoch_comes_a_whole_epoch(start: Open) -> None:
    stopped = start(world_size=2)
    give(stopped, 3)
    assert len(list(start(world_size=2, resume_state=stopped.state()).epoch())) == 3


@pytest.mark.parametrize("world_size", [1, 2])
def test_all_ranks_have_equally_many_batches_in_every_epoch(start: Open, world_size: int) -> None:
    ranks = [start(world_size=world_size, rank=rank) for rank in range(world_size)]
    counts = [[sum(1 for _ in pipeline.epoch()) for _ in range(2)] for pipeline in ranks]
    assert len({tuple(rank) for rank in counts}) == len(set(counts[0])) == 1


def test_a_closed_pipeline_has_no_state(options: Options) -> None:
    pipeline = torchvision.training(options(threads=0))
    pipeline.close()
    with pytest.raises(RuntimeError, match="is closed"):
        pipeline.state()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 8}, "has seed 7, and this run has seed 8"),
        ({"rank": 1}, "has rank 0, and this run has rank 1"),
        ({"world_size": 3}, "has world size 2, and this run has world size 3"),
        ({"batch_size_per_gpu": 3}, "has batch size per GPU 2, and this run has batch size per GPU 3"),
    ],
)
def test_the_state_of_another_stream_is_refused(start: Open, change: dict[str, int], words: str) -> None:
    state = start(world_size=2).state()
    with pytest.raises(DataError, match=f"{words}: resume with the settings of the first start, or start a new run"):
        start(**{"world_size": 2, "resume_state": state, **change})


def test_the_state_of_other_data_is_refused(start: Open, prepared: Prepared) -> None:
    with pytest.raises(DataError, match=r"has data [0-9a-f]{64}, and this run has data [0-9a-f]{64}: resume with"):
        start(data=prepared.train, resume_state=start().state())


@pytest.mark.parametrize("start", ["dali", "dali resumable", "resident"], indirect=True)
def test_the_state_of_another_pipeline_is_refused(start: Open, options: Options) -> None:
    state = torchvision.training(options()).state()
    with pytest.raises(DataError, match=r"has pipeline torchvision, and this run has pipeline (dali|resident)"):
        start(resume_state=state)


@pytest.mark.parametrize("damage", [
    lambda state: b"",
    lambda state: state[:-1],
    lambda state: state + b" ",
    lambda state: state[:40] + bytes([state[40] ^ 1]) + state[41:],
], ids=["empty", "short", "long", "changed"])  # fmt: skip
def test_a_damaged_state_is_refused(options: Options, damage: Callable[[bytes], bytes]) -> None:
    stream = stream_of("any", options())
    with pytest.raises(DataError, match="is damaged: resume from another checkpoint"):
        read_state(stream, damage(write_state(stream, Bookmark(batches=5))))


def test_a_state_of_another_version_is_refused(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    state = write_state(stream_of("any", options()), Bookmark())
    monkeypatch.setattr(bookmark, "VERSION", 2)
    with pytest.raises(DataError, match="has version 1, and this run has version 2"):
        read_state(stream_of("any", options()), state)


def test_a_bookmark_is_read_as_it_was_written_and_small(options: Options) -> None:
    stream = stream_of("any", options())
    passes: list[set[int]] = [set(), {0}, {7, 8}, set(range(0, 117_266, 2))]
    for rows in passes:
        written = Bookmark(batches=3, epoch_batches=2, rows=frozenset(rows), reader=b"\x00\xff")
        state = write_state(stream, written)
        assert read_state(stream, state) == written
        assert len(state) < 1_000 + 117_266 / 6
