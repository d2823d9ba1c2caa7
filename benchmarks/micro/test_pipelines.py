"""The stages of the input: decoding, augmentation, whole batches of each pipeline; synthetic JPEGs of COCO's sizes."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from benchmarks.micro.conftest import BATCH
from ssdbench.ssd.coco import Prepared, load_columns
from ssdbench.ssd.pipelines.augmentation import training_transform
from ssdbench.ssd.pipelines.contract import PipelineOptions, endless

pytestmark = pytest.mark.benchmark(max_time=2, min_rounds=5, warmup=True, warmup_iterations=1)


@pytest.fixture(scope="session")
def jpeg(folder: Path) -> Path:
    return min((folder / "train2017").iterdir())


def decoded(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        pixels: torch.Tensor = functional.pil_to_tensor(image.convert("RGB"))
    return pixels


def test_decoding_one_jpeg_with_pillow(benchmark, jpeg):
    assert benchmark(decoded, jpeg).shape[0] == 3


def test_augmenting_one_image_with_torchvision(benchmark, jpeg, prepared: Prepared):
    columns = load_columns(prepared.train)
    boxes_ltrb = torch.from_numpy(columns.boxes_ltrb[columns.first_box[0] : columns.first_box[1]])
    labels = torch.from_numpy(columns.labels[columns.first_box[0] : columns.first_box[1]])
    image = tv_tensors.Image(decoded(jpeg))
    assert benchmark(training_transform(), image, boxes_ltrb, labels)[0].shape == (3, 300, 300)


@pytest.mark.parametrize("pipeline", ["dali", "torchvision", "resident"])
@pytest.mark.parametrize("split", ["training", "validation"])
def test_one_batch(benchmark, device, prepared: Prepared, pipeline: str, split: str):
    if pipeline == "dali":
        pytest.importorskip("nvidia.dali", reason="DALI is not installed")
    data = prepared.train if split == "training" else prepared.val
    options = PipelineOptions(batch_size_per_gpu=BATCH, device=device, data=data)
    opened = getattr(import_module(f"ssdbench.ssd.pipelines.{pipeline}"), split)(options)
    try:
        batch = benchmark(next, endless(opened))
    finally:
        opened.close()
    assert batch.images.shape == (BATCH, 3, 300, 300)
