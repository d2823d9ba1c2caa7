"""The dali and the torchvision pipeline give the same images, boxes and labels."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines import dali, torchvision
from ssdbench.ssd.pipelines.contract import MEAN_RGB, STD_RGB, PipelineOptions, TrainingBatch, ValidationBatch

pytestmark = pytest.mark.xdist_group("agreement")  # what its tests share is made once, by one worker

# In units of 1/255. Both decode to the same bits; both resize with a triangular filter, but torchvision rounds between
# its two directions, and at the edge it renormalises the weights where DALI repeats the outermost pixel.
MEAN_TOLERANCE = 0.2
INNER_TOLERANCE = 1.01
EDGE_TOLERANCE = 24.0
EDGE_PX = 1


def levels(images: torch.Tensor) -> torch.Tensor:
    """Normalised images back to 0..255."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    return (images * std + mean) * 255


@pytest.fixture(scope="module")
def pairs(prepared: Prepared) -> list[tuple[ValidationBatch, ValidationBatch]]:
    options = PipelineOptions(batch_size_per_gpu=21, device=torch.device("cpu"), data=prepared.train, threads=0)
    epochs: list[list[ValidationBatch]] = []
    for module in (dali, torchvision):
        pipeline = module.validation(options)
        epochs.append(list(pipeline.epoch()))
        pipeline.close()
    return list(zip(*epochs, strict=True))


Pairs = list[tuple[ValidationBatch, ValidationBatch]]


def test_boxes_labels_and_ids_are_equal(pairs: Pairs) -> None:
    for one, other in pairs:
        assert torch.equal(one.image_ids, other.image_ids)
        assert torch.equal(one.image_sizes_hw, other.image_sizes_hw)
        for mine, theirs in zip((*one.boxes_ltrb, *one.labels), (*other.boxes_ltrb, *other.labels), strict=True):
            assert torch.equal(mine, theirs)


def test_pixels_agree_within_the_stated_tolerance(pairs: Pairs) -> None:
    difference = torch.cat([(levels(one.images) - levels(other.images)).abs() for one, other in pairs])
    inner = difference[..., EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
    assert float(difference.mean()) < MEAN_TOLERANCE
    assert float(inner.max()) < INNER_TOLERANCE
    assert float(difference.max()) < EDGE_TOLERANCE


@pytest.fixture(scope="module")
def augmented(prepared: Prepared) -> list[dict[str, torch.Tensor]]:
    options = PipelineOptions(batch_size_per_gpu=31, device=torch.device("cpu"), data=prepared.train, threads=2, seed=1)
    return [facts(module.training(options), epochs=3) for module in (dali, torchvision)]


def facts(pipeline: Any, epochs: int) -> dict[str, torch.Tensor]:
    """What can be counted of each augmented image."""
    rows: list[dict[str, torch.Tensor]] = []
    for batch in batches(pipeline, epochs):
        pixels, matched = levels(batch.images), batch.labels > 0
        boxes = batch.boxes_cxcywh
        rows.append(
            {
                "red": pixels[:, 0].mean((1, 2)),
                "green": pixels[:, 1].mean((1, 2)),
                "blue": pixels[:, 2].mean((1, 2)),
                "contrast": pixels.std((1, 2, 3)),
                "colour": (pixels - pixels.mean(1, keepdim=True)).abs().mean((1, 2, 3)),
                "matched rows": matched.sum(1).float(),
                "boxes": torch.tensor([len(b[m].unique(dim=0)) for b, m in zip(boxes, matched, strict=True)]).float(),
                "width": torch.stack([b[m, 2].mean() for b, m in zip(boxes, matched, strict=True)]),
                "left": torch.stack([b[m, 0].mean() for b, m in zip(boxes, matched, strict=True)]),
            }
        )
    pipeline.close()
    return {fact: torch.cat([row[fact] for row in rows]) for fact in rows[0]}


def batches(pipeline: Any, epochs: int) -> Iterator[TrainingBatch]:
    for _ in range(epochs):
        yield from pipeline.epoch()


@pytest.mark.parametrize(
    "fact", ["red", "green", "blue", "contrast", "colour", "matched rows", "boxes", "width", "left"]
)
def test_augmented_images_are_alike_in_the_mean(augmented: list[dict[str, torch.Tensor]], fact: str) -> None:
    one, other = (facts[fact] for facts in augmented)
    assert len(one) == len(other) == 186
    error = ((one.var() + other.var()) / len(one)).sqrt()
    assert abs(float(one.mean() - other.mean())) < 4 * float(error)
    assert float(one.std() / other.std()) == pytest.approx(1, abs=0.25)
