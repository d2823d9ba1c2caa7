"""Uncommon image files mean the same in every pipeline, or none of them is measured with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines import dali, torchvision
from ssdbench.ssd.pipelines.contract import PipelineOptions
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import synthesise
from tests.ssd.planting import RECIPE, ignore_progress
from tests.ssd.test_pipelines_agree import EDGE_PX, INNER_TOLERANCE, MEAN_TOLERANCE, levels

Form = tuple[Image.Image, str, dict[str, Any]]


def few_colours(image: Image.Image) -> Image.Image:
    return image.quantize(64, Image.Quantize.FASTOCTREE)


def fading(image: Image.Image) -> Image.Image:
    """The image with an alpha that rises from its left to its right."""
    alpha = np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))
    picture = image.copy()
    picture.putalpha(Image.fromarray(alpha))
    return picture


# From an RGB image: the image, its format and the options of its file.
FORMS: dict[str, Callable[[Image.Image], Form]] = {
    "grayscale JPEG": lambda rgb: (rgb.convert("L"), "JPEG", {}),
    "CMYK JPEG": lambda rgb: (rgb.convert("CMYK"), "JPEG", {}),
    "progressive JPEG": lambda rgb: (rgb, "JPEG", {"progressive": True}),
    "JPEG with whole colours": lambda rgb: (rgb, "JPEG", {"subsampling": 0}),
    "grayscale PNG": lambda rgb: (rgb.convert("L"), "PNG", {}),
    "palette PNG": lambda rgb: (few_colours(rgb), "PNG", {}),
    "palette PNG with a transparent colour": lambda rgb: (few_colours(rgb), "PNG", {"transparency": 5}),
    "PNG with alpha": lambda rgb: (fading(rgb), "PNG", {}),
    "grayscale PNG with alpha": lambda rgb: (fading(rgb.convert("L")), "PNG", {}),
    "BMP": lambda rgb: (rgb, "BMP", {}),
    "TIFF": lambda rgb: (rgb, "TIFF", {}),
    "PPM": lambda rgb: (rgb, "PPM", {}),
    "WebP": lambda rgb: (rgb, "WEBP", {}),
    "JPEG 2000": lambda rgb: (rgb, "JPEG2000", {}),
}


@pytest.fixture(scope="module")
def uncommon(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A data set with one image in every form, in the order of `FORMS`, under the name of a JPEG."""
    folder = tmp_path_factory.mktemp("uncommon")
    assert synthesise(folder / "coco", RECIPE, ignore_progress)
    annotations = folder / "coco" / "annotations" / "instances_train2017.json"
    document = json.loads(annotations.read_text())
    document["images"] = document["images"][: len(FORMS)]
    ids = {entry["id"] for entry in document["images"]}
    document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] in ids]
    annotations.write_text(json.dumps(document))
    for entry, form in zip(document["images"], FORMS.values(), strict=True):
        path = folder / "coco" / "train2017" / entry["file_name"]
        with Image.open(path) as image:
            picture, kind, options = form(image.convert("RGB"))
        picture.save(path, kind, **options)
    return prepare(folder / "coco", folder / "cache", ignore_progress)


def images_of(module: Any, prepared: Prepared) -> Iterator[torch.Tensor]:
    threads = 0 if module is torchvision else 1
    options = PipelineOptions(batch_size_per_gpu=1, device=torch.device("cpu"), data=prepared.train, threads=threads)
    pipeline = module.validation(options)
    for batch in pipeline.epoch():
        yield levels(batch.images[0])
    pipeline.close()


@pytest.mark.slow
@pytest.mark.fault(
    "C60", "CMYK, grayscale, palette and alpha images, and PNG, BMP, TIFF, WebP under the name of a JPEG"
)
def test_every_pipeline_sees_the_same_pixels(uncommon: Prepared) -> None:
    for name, one, other in zip(FORMS, images_of(dali, uncommon), images_of(torchvision, uncommon), strict=True):
        difference = (one - other).abs()
        inner = difference[:, EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
        assert difference.mean() <= 2 * MEAN_TOLERANCE, name
        assert inner.max() <= INNER_TOLERANCE, name


@pytest.mark.fault("C61", "16-bit and floating-point images, which DALI and Pillow turn into different 8-bit pixels")
@pytest.mark.parametrize(("kind", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.float32)])
def test_more_than_8_bits_are_refused(tmp_path: Path, kind: str, dtype: Any) -> None:
    Image.fromarray(np.full((20, 30), 1000, dtype=dtype)).save(tmp_path / "1.jpg", kind)
    with pytest.raises(DataError, match=r"1\.jpg cannot be decoded \(it has more than 8 bits per channel\)"):
        torchvision.decode(tmp_path, "1.jpg")
