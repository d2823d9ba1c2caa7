"""What holds for the dali and the torchvision pipeline alike."""

from collections.abc import Callable
from multiprocessing import active_children
from typing import Any

import pytest
import torch

from ssdbench.errors import DataError
from ssdbench.ssd.boxes import default_boxes, match
from ssdbench.ssd.coco import Prepared, load_columns
from ssdbench.ssd.pipelines.contract import (
    PipelineOptions,
    ValidationBatch,
    endless,
)
from ssdbench.ssd.pipelines.epochs import EpochCoverageCheck
from ssdbench.ssd.preparation import prepare
from tests.ssd.planting import Options, Plant, cut, first_image, ignore_progress

Rows = list[list[int]]


@pytest.fixture
def validate(pipeline_module: Any, options: Options, prepared: Prepared) -> Callable[..., list[ValidationBatch]]:
    def read(**overrides: Any) -> list[ValidationBatch]:
        pipeline = pipeline_module.validation(options(**{"data": prepared.val, **overrides}))
        batches = list(pipeline.epoch())
        assert pipeline.epoch_images == [pipeline.images_per_epoch]
        pipeline.close()
        return batches

    return read


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The image rows of every training batch, as the check of the passes sees them."""
    seen: Rows = []
    take = EpochCoverageCheck.take

    def note(self: EpochCoverageCheck, rows: list[int]) -> None:
        seen.append(rows)
        take(self, rows)

    monkeypatch.setattr(EpochCoverageCheck, "take", note)
    return seen


def annotated_rows(options: PipelineOptions) -> set[int]:
    assert options.data is not None
    first_box = load_columns(options.data).first_box.tolist()
    return {row for row in range(len(first_box) - 1) if first_box[row] < first_box[row + 1]}


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_training_batch_is_what_the_contract_says(train: Any, channels_last: bool) -> None:
    batch = next(train(channels_last=channels_last).epoch())
    assert len(batch) == 4
    assert (batch.images.shape, batch.images.dtype) == ((4, 3, 300, 300), torch.float32)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.images.is_contiguous(memory_format=layout)
    assert (batch.boxes_cxcywh.shape, batch.boxes_cxcywh.dtype) == ((4, 8732, 4), torch.float32)
    assert (batch.labels.shape, batch.labels.dtype) == ((4, 8732), torch.int64)
    assert int(batch.labels.max()) <= 80
    assert bool((batch.labels > 0).any(dim=1).all()), "every image has a matched box"


def test_training_images_are_normalised(train: Any) -> None:
    images = next(train().epoch()).images
    assert -2.2 < float(images.min()) < -1
    assert 1 < float(images.max()) < 2.7


def test_unmatched_rows_hold_the_default_boxes(train: Any) -> None:
    batch = next(train().epoch())
    background = batch.labels == 0
    expected = default_boxes("cxcywh").expand_as(batch.boxes_cxcywh)
    torch.testing.assert_close(batch.boxes_cxcywh[background], expected[background], atol=1e-6, rtol=0)


def test_matched_rows_are_those_that_the_matcher_would_match(train: Any) -> None:
    batch = next(train().epoch())
    for boxes_cxcywh, labels in zip(batch.boxes_cxcywh, batch.labels, strict=True):
        truth = torch.cat([boxes_cxcywh, labels[:, None].float()], dim=1)[labels > 0].unique(dim=0)
        boxes_ltrb = torch.cat([truth[:, :2] - truth[:, 2:4] / 2, truth[:, :2] + truth[:, 2:4] / 2], dim=1)
        _, again = match(boxes_ltrb, truth[:, 4].long())
        assert (again == labels).float().mean() > 0.999  # ties are settled by an order that is lost here


def test_an_epoch_has_the_batches_it_promises(train: Any) -> None:
    pipeline = train(batch_size_per_gpu=20)
    assert (pipeline.batches_per_epoch, pipeline.images_per_epoch) == (3, 60)
    assert [len(batch) for batch in pipeline.epoch()] == [20, 20, 20]
    assert len(list(pipeline.epoch())) == 3
    assert pipeline.epoch_images == [60, 60]


def test_a_batch_is_not_overwritten_by_later_ones(train: Any) -> None:
    batches = endless(train())
    kept = [next(batches) for _ in range(2)]
    copies = [(batch.images.clone(), batch.boxes_cxcywh.clone(), batch.labels.clone()) for batch in kept]
    for _ in range(6):
        next(batches)
    for batch, (images, boxes_cxcywh, labels) in zip(kept, copies, strict=True):
        assert torch.equal(batch.images, images)
        assert torch.equal(batch.boxes_cxcywh, boxes_cxcywh)
        assert torch.equal(batch.labels, labels)


def test_the_seed_decides_every_bit_of_a_batch(train: Any) -> None:
    first, again, other = (next(train(seed=seed).epoch()) for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.boxes_cxcywh, again.boxes_cxcywh)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)


def test_the_number_of_threads_changes_no_bit(train: Any) -> None:
    one, two = (next(train(threads=threads).epoch()) for threads in (1, 2))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)


def test_the_seed_decides_the_order_of_the_images(train: Any, rows_read: Rows) -> None:
    for seed in (1, 1, 2):
        next(train(seed=seed).epoch())
    assert rows_read[0] == rows_read[1] != rows_read[2]


def test_a_pass_holds_every_annotated_image_once_and_the_next_is_reshuffled(
    train: Any, rows_read: Rows, options: Options
) -> None:
    pipeline = train(batch_size_per_gpu=31)  # 62 annotated images: a pass is two batches
    for _ in range(2):
        list(pipeline.epoch())
    passes = [rows_read[0] + rows_read[1], rows_read[2] + rows_read[3]]
    assert [set(rows) for rows in passes] == [annotated_rows(options())] * 2
    assert [len(rows) for rows in passes] == [62] * 2
    assert passes[0] != passes[1]


@pytest.mark.parametrize("world_size", [3])
def test_the_ranks_share_a_pass_without_overlap(train: Any, rows_read: Rows, options: Options, world_size: int) -> None:
    shards = []
    for rank in range(world_size):
        rows_read.clear()
        batches = endless(train(rank=rank, world_size=world_size, batch_size_per_gpu=1))
        for _ in range(62 * (rank + 1) // world_size - 62 * rank // world_size):
            next(batches)
        shards.append([row for rows in rows_read for row in rows])
    assert sorted(row for rows in shards for row in rows) == sorted(annotated_rows(options()))
    assert {len(rows) for rows in shards} <= {62 // world_size, 62 // world_size + 1}


def test_every_rank_has_the_same_number_of_batches(train: Any) -> None:
    assert {train(rank=rank, world_size=3, batch_size_per_gpu=5).batches_per_epoch for rank in range(3)} == {4}


def test_ranks_augment_differently(train: Any) -> None:
    batches = [next(train(rank=rank, world_size=2).epoch()) for rank in range(2)]
    assert not torch.equal(batches[0].images, batches[1].images)


def test_a_data_set_smaller_than_one_global_batch_is_refused(train: Any) -> None:
    with pytest.raises(DataError, match=r"62 annotated images, fewer than one global batch \(4 x 16\): use a smaller"):
        train(world_size=4, batch_size_per_gpu=16)


def test_no_data_set_is_refused(train: Any) -> None:
    with pytest.raises(DataError, match="none is given"):
        train(data=None)


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_validation_epoch_is_every_image_once_in_order(
    validate: Any, prepared: Prepared, channels_last: bool
) -> None:
    batches = validate(batch_size_per_gpu=4, channels_last=channels_last)
    assert [len(batch) for batch in batches] == [4, 4, 4, 2]
    columns = load_columns(prepared.val)
    assert torch.cat([batch.image_ids for batch in batches]).tolist() == columns.image_ids.tolist()
    assert torch.cat([batch.image_sizes_hw for batch in batches]).tolist() == columns.sizes_hw.tolist()
    labels = [label for batch in batches for part in batch.labels for label in part.tolist()]
    assert labels == columns.labels.tolist()
    boxes_ltrb = torch.cat([part for batch in batches for part in batch.boxes_ltrb])
    assert torch.equal(boxes_ltrb, torch.from_numpy(columns.boxes_ltrb))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert all(batch.images.is_contiguous(memory_format=layout) for batch in batches)


@pytest.mark.parametrize(("world_size", "batch_size"), [(2, 7), (3, 4), (5, 3)])
def test_validation_shards_cover_every_image_once(
    validate: Any, prepared: Prepared, world_size: int, batch_size: int
) -> None:
    shards = [
        [
            int(i)
            for batch in validate(rank=r, world_size=world_size, batch_size_per_gpu=batch_size)
            for i in batch.image_ids
        ]
        for r in range(world_size)
    ]
    assert [i for ids in shards for i in ids] == load_columns(prepared.val).image_ids.tolist()


def test_an_image_without_boxes_is_validated_too(validate: Any, prepared: Prepared) -> None:
    batches = validate(data=prepared.train, batch_size_per_gpu=21)
    counts = [len(labels) for batch in batches for labels in batch.labels]
    assert counts.count(0) == 1
    assert len(counts) == prepared.train.images


def test_a_validation_epoch_begins_anew_after_one_that_was_left(
    pipeline_module: Any, options: Options, prepared: Prepared
) -> None:
    pipeline = pipeline_module.validation(options(data=prepared.val, batch_size_per_gpu=4))
    first = next(pipeline.epoch())
    again = next(pipeline.epoch())
    assert torch.equal(first.image_ids, again.image_ids)
    assert torch.equal(first.images, again.images)
    assert [len(batch) for batch in pipeline.epoch()] == [4, 4, 4, 2]
    pipeline.close()


def test_a_closed_pipeline_gives_nothing(train: Any) -> None:
    pipeline = train()
    next(pipeline.epoch())
    pipeline.close()
    with pytest.raises(RuntimeError, match="is closed"):
        next(pipeline.epoch())


@pytest.mark.parametrize("mode", ["training", "validation"])
def test_a_jpeg_cut_off_after_it_was_prepared_stops_the_pipeline_for_good(
    pipeline_module: Any, options: Options, plant: Plant, mode: str
) -> None:
    directory = plant()
    split = prepare(directory, directory.parent / "cache", ignore_progress).train
    cut(first_image(directory))
    pipeline = getattr(pipeline_module, mode)(options(data=split, batch_size_per_gpu=8))
    sentence = rf"{first_image(directory).name}.* run `ssdbench data verify {directory}`"
    for _ in range(2):
        with pytest.raises(DataError, match=sentence):
            list(pipeline.epoch())
    assert pipeline.epoch_images == []
    pipeline.close()


def test_processes_end_with_their_pipeline_though_its_error_is_held(
    pipeline_module: Any, options: Options, plant: Plant
) -> None:
    directory = plant()
    split = prepare(directory, directory.parent / "cache", ignore_progress).train
    cut(first_image(directory))
    before = set(active_children())
    pipeline = pipeline_module.training(options(data=split, batch_size_per_gpu=8))
    with pytest.raises(DataError) as held:
        list(pipeline.epoch())
    assert set(active_children()) <= before
    assert held.value.__traceback__ is not None  # it refers to the pipeline's frames, so nothing was collected


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")], ids=["missing", "empty"]
)
def test_a_file_lost_after_it_was_prepared_is_named(
    pipeline_module: Any, options: Options, plant: Plant, damage: Callable[..., Any]
) -> None:
    directory = plant()
    split = prepare(directory, directory.parent / "cache", ignore_progress).train
    damage(path := first_image(directory))
    pipeline = pipeline_module.training(options(data=split))
    with pytest.raises(DataError, match=rf"{path.name}.* run `ssdbench data verify"):
        list(pipeline.epoch())
    pipeline.close()


def test_noise_in_place_of_a_jpeg_stops_the_pipeline(pipeline_module: Any, options: Options, plant: Plant) -> None:
    directory = plant()
    split = prepare(directory, directory.parent / "cache", ignore_progress).train
    first_image(directory).write_bytes(bytes(range(256)) * 8)
    pipeline = pipeline_module.training(options(data=split))
    with pytest.raises(DataError, match="run `ssdbench data verify"):
        list(pipeline.epoch())
    pipeline.close()
