"""What concerns DALI alone: its silent faults, and its operators against our own arithmetic."""

import importlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import nvidia
import pytest
import torch
from nvidia import dali as nvidia_dali
from PIL import Image

from ssdbench.errors import DataError, EnvironmentLacksError
from ssdbench.ssd.boxes import default_boxes, match
from ssdbench.ssd.coco import PreparedSplit
from ssdbench.ssd.pipelines import dali, dali_graph
from ssdbench.ssd.pipelines.augmentation import SSDCrop, colour_matrix, twist
from ssdbench.ssd.pipelines.contract import (
    CONTRAST_CENTRE,
    CROP_ASPECT_RATIO,
    CROP_SCALE,
    CROP_THRESHOLDS_IOU,
)
from ssdbench.ssd.pipelines.dali_graph import fn, types
from ssdbench.ssd.preparation import prepare
from tests.ssd.planting import Document, Options, Plant, cut, first_image, ignore_progress

Arrays = Iterable[np.ndarray[Any, Any]]


def outputs(batch_size: int, define: Callable[[], Any]) -> tuple[Any, ...]:
    """What one run of a small DALI graph gives."""
    pipeline = dali_graph.dali.Pipeline(batch_size=batch_size, num_threads=1, device_id=None, seed=1)
    with pipeline:
        pipeline.set_outputs(*define())
    pipeline.build()
    return tuple(pipeline.run())


def source(samples: Arrays) -> Any:
    return fn.external_source(source=[list(samples)], cycle=True)


def ready(directory: Path) -> PreparedSplit:
    return prepare(directory, directory.parent / "cache", ignore_progress).train


@pytest.mark.parametrize("fraction", [0.4, 0.7, 0.95])
def test_a_clean_annotation_file_cut_off_later_is_found_before_the_first_batch(
    plant: Plant, options: Options, fraction: float
) -> None:
    split = ready(plant())
    cut(split.annotations, fraction)
    with pytest.raises(DataError, match="prepares the data again"):
        dali.training(options(data=split))


def test_boxes_on_and_a_hair_beyond_the_edge_do_not_stop_the_crop(plant: Plant, options: Options) -> None:
    def change(document: Document) -> None:
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        for annotation in document["annotations"]:
            width, height = sizes[annotation["image_id"]]
            annotation["bbox"] = [-0.001, height / 3, width + 0.002, height * 2 / 3 + 0.001]

    pipeline = dali.training(options(data=ready(plant(change)), batch_size_per_gpu=4))
    for _ in range(5):
        assert all(float(batch.boxes_cxcywh.max()) <= 1.01 for batch in pipeline.epoch())


def test_an_exif_rotation_turns_neither_pixels_nor_boxes(plant: Plant, options: Options) -> None:
    directory = plant()
    path = first_image(directory)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    rotation = Image.Exif()
    rotation[0x0112] = 6
    batches = []
    for exif in (Image.Exif(), rotation):
        path.unlink()
        image.save(path, exif=exif, quality=95)
        batches.append(next(dali.validation(options(data=ready(directory))).epoch()))
    plain, rotated = batches
    assert rotated.image_sizes_hw[0].tolist() == [image.height, image.width]
    assert torch.equal(plain.images, rotated.images)


@pytest.mark.parametrize("kind", ["grey", "progressive", "png", "png with alpha", "cmyk", "name"])
def test_every_kind_of_image_that_coco_may_hold_becomes_rgb(plant: Plant, options: Options, kind: str) -> None:
    name = "ein Bäumchen.jpg"

    def change(document: Document) -> None:
        if kind == "name":
            document["images"][0]["file_name"] = name

    directory = plant(change)
    path = first_image(directory)
    with Image.open(path) as image:
        image.load()
        match kind:
            case "grey":
                image.convert("L").save(path)
            case "progressive":
                image.save(path, progressive=True)
            case "png":
                image.save(path, format="png")
            case "png with alpha":
                image.convert("RGBA").save(path, format="png")
            case "cmyk":
                image.convert("CMYK").save(path)
            case "name":
                path.rename(path.with_name(name))
    pipeline = dali.training(options(data=ready(directory), batch_size_per_gpu=4))
    assert [batch.images.shape[1] for batch in pipeline.epoch()] == [3] * pipeline.batches_per_epoch


def test_the_box_encoder_and_our_matcher_agree_to_the_last_row() -> None:
    generator = torch.Generator().manual_seed(3)
    truths = []
    for number in range(40):
        start = torch.rand(number % 9 + 1, 2, generator=generator) * 0.7
        boxes_ltrb = torch.cat([start, start + 0.02 + torch.rand(len(start), 2, generator=generator) * 0.28], dim=1)
        if number % 4 == 0:  # equal boxes: a tie
            boxes_ltrb = boxes_ltrb[:1].expand(len(start), 4).clone()
        truths.append((boxes_ltrb, torch.randint(1, 81, (len(start),), generator=generator, dtype=torch.int32)))

    def define() -> Any:
        boxes, labels = (source(part.numpy() for part in parts) for parts in zip(*truths, strict=True))
        anchors = default_boxes("ltrb").flatten().tolist()
        return fn.box_encoder(boxes, labels, criteria=0.5, anchors=anchors)

    encoded_boxes, encoded_labels = outputs(len(truths), define)
    for number, (boxes_ltrb, labels) in enumerate(truths):
        expected_boxes, expected_labels = match(boxes_ltrb, labels.long())
        assert np.array(encoded_labels.at(number)).ravel().tolist() == expected_labels.tolist()
        torch.testing.assert_close(
            torch.from_numpy(np.array(encoded_boxes.at(number))), expected_boxes, atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("boxes_ltrb", [
    [[0.3, 0.3, 0.6, 0.7]],
    [[0.05, 0.1, 0.25, 0.4], [0.5, 0.5, 0.9, 0.95], [0.4, 0.1, 0.5, 0.15]],
    [[0.0, 0.0, 1.0, 1.0], [0.6, 0.6, 0.7, 0.7]],
], ids=["one", "three", "whole"])  # fmt: skip
def test_our_crop_is_distributed_as_dalis(boxes_ltrb: list[list[float]]) -> None:
    draws = 2500
    boxes = np.array(boxes_ltrb, np.float32)
    labels = np.arange(1, len(boxes) + 1, dtype=np.int32)

    def define() -> Any:
        return fn.random_bbox_crop(
            source([boxes] * draws), source([labels] * draws), bbox_layout="xyXY", thresholds=CROP_THRESHOLDS_IOU,
            aspect_ratio=CROP_ASPECT_RATIO, scaling=CROP_SCALE, allow_no_crop=True, num_attempts=1,
        )  # fmt: skip

    begin, size, kept, _ = outputs(draws, define)
    theirs = [(*np.array(begin.at(i)), *np.array(size.at(i)), len(np.array(kept.at(i)))) for i in range(draws)]
    crop, whole = SSDCrop(), torch.ones(len(boxes), dtype=torch.bool)
    ours = []
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for _ in range(draws):
            window_ltrb, mask = crop._window(torch.from_numpy(boxes))
            left, top, right, bottom = window_ltrb.tolist()
            ours.append((left, top, right - left, bottom - top, int((whole if mask is None else mask).sum())))
    for statistic in (facts(np.array(theirs)),):
        mine = facts(np.array(ours))
        for fact, (their_mean, their_error) in statistic.items():
            our_mean, our_error = mine[fact]
            assert abs(our_mean - their_mean) < 4.5 * np.hypot(our_error, their_error) + 1e-9, fact


def facts(windows: np.ndarray[Any, Any]) -> dict[str, tuple[float, float]]:
    """Mean and standard error of what matters of windows (left, top, width, height, boxes kept)."""
    left, top, width, height, kept = windows.T
    area = width * height
    columns = {
        "not cropped": area > 0.9999, "area": area, "area squared": area**2, "aspect": np.log(width / height),
        "left": left, "top": top, "kept": kept, "kept all": kept == kept.max(),
    }  # fmt: skip
    return {fact: (float(np.mean(c)), float(np.std(c) / np.sqrt(len(c)))) for fact, c in columns.items()}


@pytest.mark.parametrize(("hue", "saturation"), [(0, 1), (0.5, 0.5), (-0.5, 1.5), (30, 1.2)])
def test_our_colour_matrix_is_that_of_dalis_hsv(hue: float, saturation: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    (found,) = outputs(1, lambda: (fn.hsv(source([image]), hue=hue, saturation=saturation, dtype=types.FLOAT),))
    expected = torch.from_numpy(image).float() @ colour_matrix(hue, saturation).T
    torch.testing.assert_close(torch.from_numpy(np.array(found.at(0))), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize(("contrast", "brightness"), [(1, 1), (0.5, 1.125), (1.5, 0.875), (1.3, 1.1)])
def test_our_colours_are_those_of_dalis_operators_to_one_level(contrast: float, brightness: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)

    def define() -> Any:
        coloured = fn.hsv(source([image]), hue=0.4, saturation=1.4, dtype=types.FLOAT)
        return (
            fn.brightness_contrast(
                coloured, dtype=types.UINT8, brightness=brightness, contrast=contrast, contrast_center=CONTRAST_CENTRE
            ),
        )

    (found,) = outputs(1, define)
    expected = twist(torch.from_numpy(image).permute(2, 0, 1), 0.4, 1.4, contrast, brightness)
    difference = (torch.from_numpy(np.array(found.at(0))).permute(2, 0, 1).int() - expected.int()).abs()
    assert int(difference.max()) <= 1
    assert float(difference.float().mean()) < 0.001


def test_without_dali_the_sentence_names_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(nvidia, "dali")
    monkeypatch.setitem(sys.modules, "nvidia.dali", None)
    for module in (dali, dali_graph):
        monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(
        EnvironmentLacksError, match=r"dali-cuda110\], ssdbench\[dali-cuda120\] or .*torchvision pipeline"
    ):
        importlib.import_module(dali.__name__)


def test_an_older_dali_than_was_tested_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia_dali, "__version__", "1.25.0")
    monkeypatch.delitem(sys.modules, dali_graph.__name__)
    with pytest.raises(
        EnvironmentLacksError, match=r"DALI 1\.25\.0 is too old for the dali pipeline: use 1\.26 or newer"
    ):
        importlib.import_module(dali_graph.__name__)


def test_an_error_of_dali_that_is_not_of_the_data_is_not_blamed_on_them(options: Options) -> None:
    reading = dali._Reading.__new__(dali._Reading)
    error = RuntimeError("CUDA allocation failed")
    assert reading._translated(error) is error


def test_the_reader_is_given_the_clean_file(prepared: Any) -> None:
    clean = json.loads(prepared.train.annotations.read_text())
    assert [image["id"] for image in clean["images"]] == list(range(63))
