"""What a training batch says of its images is what one can see in them, whatever the augmentation did."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines import dali
from ssdbench.ssd.pipelines.contract import MEAN_RGB, STD_RGB, PipelineOptions, TrainingBatch
from ssdbench.ssd.preparation import prepare
from tests.ssd.planting import Options, ignore_progress

COLOURED = {1: (1, (220, 30, 30)), 3: (3, (30, 200, 30)), 90: (80, (30, 30, 220))}
"""COCO's category id -> the label it trains as, and the colour of its objects in `coloured`."""


@pytest.fixture
def coloured(synthetic: Path, tmp_path: Path) -> Prepared:
    """Grey images, each with one object: a rectangle in one half of it, its category shown by its colour."""
    directory = tmp_path / "coloured"
    for split in ("train", "val"):
        name = f"instances_{split}2017.json"
        categories = json.loads((synthetic / "annotations" / name).read_text())["categories"]
        images, annotations = [], []
        (directory / f"{split}2017").mkdir(parents=True)
        for number, category in enumerate(list(COLOURED) * 8, start=1):
            left = 10 if number % 2 else 120
            picture = Image.new("RGB", (200, 160), (128, 128, 128))
            picture.paste(COLOURED[category][1], (left, 40, left + 70, 130))
            picture.save(directory / f"{split}2017" / f"{number}.jpg", quality=95)
            images.append({"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 160})
            box = {"bbox": [left, 40, 70, 90], "area": 6300, "iscrowd": 0}
            annotations.append({"id": number, "image_id": number, "category_id": category, **box})
        document = {"images": images, "annotations": annotations, "categories": categories}
        (directory / "annotations").mkdir(exist_ok=True)
        (directory / "annotations" / name).write_text(json.dumps(document))
    return prepare(directory, tmp_path / "prepared", ignore_progress)


def test_labels_and_boxes_of_training_are_those_of_the_pixels(train: Any, coloured: Prepared) -> None:
    assert_told_truly(list(train(data=coloured.train, batch_size_per_gpu=8).epoch()))


@pytest.mark.usefixtures("published_form")
def test_labels_and_boxes_of_the_published_form_are_those_of_the_pixels(options: Options, coloured: Prepared) -> None:
    assert_told_truly(of_dali(options(data=coloured.train, batch_size_per_gpu=8)))


@pytest.mark.gpu
@pytest.mark.parametrize("decode", ["cpu", "mixed"])
def test_labels_and_boxes_on_a_gpu_are_those_of_the_pixels(options: Options, coloured: Prepared, decode: str) -> None:
    device = torch.device("cuda", 0)
    assert_told_truly(of_dali(options(data=coloured.train, batch_size_per_gpu=8, device=device, decode=decode)))


def of_dali(options: PipelineOptions) -> list[TrainingBatch]:
    pipeline = dali.training(options)
    batches = list(pipeline.epoch())
    pipeline.close()
    return batches


def assert_told_truly(batches: list[TrainingBatch]) -> None:
    channel_of = {label: colour.index(max(colour)) for label, colour in COLOURED.values()}
    mean, std = (torch.tensor(values)[:, None] for values in (MEAN_RGB, STD_RGB))
    objects = 0
    for batch in batches:
        parts = (batch.images.cpu(), batch.boxes_cxcywh.cpu(), batch.labels.cpu())
        for image, boxes_cxcywh, labels in zip(*parts, strict=True):
            (label,) = set(labels[labels > 0].tolist())
            cx, cy, width, height = boxes_cxcywh[labels > 0][0].tolist()
            # Where the object is anywhere near its box, these five places are on it.
            places = [(cx + x * width, cy + y * height) for x, y in ((0, 0), *product((-0.35, 0.35), repeat=2))]
            pixels = torch.stack([image[:, int(300 * y), int(300 * x)] for x, y in places], dim=1) * std + mean
            assert pixels.argmax(dim=0).tolist() == [channel_of[label]] * 5
            assert float((pixels.max(dim=0).values - pixels.min(dim=0).values).min()) > 0.2, "grey is no object"
            objects += 1
    assert objects == 24
