"""The synthetic data set: its statistics, its determinism, its wholeness."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssdbench.errors import DataError, UsageError
from ssdbench.ssd import drawing, processes
from ssdbench.ssd import synthetic as subject
from ssdbench.ssd.synthetic import COCO_CATEGORIES, SyntheticSpec, synthesise
from ssdbench.ssd.verification import SplitSummary, verify
from tests.ssd.planting import ignore_progress, train_annotations


def content(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def make(directory: Path, **parameters: Any) -> Path:
    assert synthesise(
        directory, SyntheticSpec(**{"train_images": 6, "val_images": 2, "seed": 1, **parameters}), ignore_progress
    )
    return directory


def mode(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


def summary(directory: Path) -> SplitSummary:
    report = verify(directory, ignore_progress)
    assert report.findings == ()
    return report.splits["train"]


def test_equal_seeds_give_equal_bytes_however_many_processes_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = make(tmp_path / "alone")
    monkeypatch.setattr(processes, "CHUNK", 2)
    assert content(make(tmp_path / "together")) == content(alone)


def test_different_seeds_give_different_pictures_and_boxes(tmp_path: Path) -> None:
    one, other = content(make(tmp_path / "one")), content(make(tmp_path / "other", seed=2))
    assert not set(one.values()) & set(other.values())


def test_the_layout_and_the_ids_are_those_of_coco(synthetic: Path) -> None:
    document = json.loads(train_annotations(synthetic).read_text())
    assert [(c["id"], c["name"]) for c in document["categories"]] == list(COCO_CATEGORIES.items())
    assert len(COCO_CATEGORIES) == 80
    assert not {12, 26, 29, 30, 45, 66, 68, 69, 71, 83} & set(COCO_CATEGORIES)
    assert {f"{image['id']:012d}.jpg" for image in document["images"]} == {
        path.name for path in (synthetic / "train2017").iterdir()
    }


def test_a_small_data_set_has_an_image_without_boxes_a_crowd_and_a_grey_image(synthetic: Path) -> None:
    document = json.loads(train_annotations(synthetic).read_text())
    assert {image["id"] for image in document["images"]} - {a["image_id"] for a in document["annotations"]}
    crowds = [a for a in document["annotations"] if a["iscrowd"]]
    assert crowds
    assert all(sum(crowd["segmentation"]["counts"]) == np.prod(crowd["segmentation"]["size"]) for crowd in crowds)
    assert [mode(path) for path in (synthetic / "train2017").iterdir()].count("L") == 1


def test_two_splits_share_no_image_id(synthetic: Path) -> None:
    ids = [
        {image["id"] for image in json.loads(path.read_text())["images"]}
        for path in (synthetic / "annotations").iterdir()
    ]
    assert not set.intersection(*ids)


def test_images_are_of_the_size_and_weight_of_coco(synthetic: Path) -> None:
    found = summary(synthetic)
    assert found.median_size_wh == (640, 480)
    assert 110_000 < found.median_file_bytes < 190_000


def test_box_statistics_are_those_of_coco(tmp_path: Path) -> None:
    found = summary(make(tmp_path / "coco", train_images=150))
    assert 6.0 < found.boxes_per_image_mean < 8.0
    assert found.boxes_per_image_max > 25
    assert found.small_medium_large == pytest.approx((0.41, 0.34, 0.24), abs=0.06)
    assert found.images - found.annotated_images == 2
    assert found.categories == 80
    assert 120_000 < found.median_file_bytes < 180_000


def test_the_easy_setting_has_few_large_objects_of_eight_categories(tmp_path: Path) -> None:
    found = summary(make(tmp_path / "easy", train_images=24, easy=True))
    assert found.categories == 8
    assert 1 <= found.boxes_per_image_mean <= 3
    assert found.boxes_per_image_max <= 3
    assert found.small_medium_large[0] == 0
    assert found.median_size_wh[0] <= 320


@pytest.mark.parametrize("shape", drawing.SHAPES)
@pytest.mark.parametrize("size", [(6, 6), (31, 9), (120, 200)])
def test_an_object_fills_its_box_from_edge_to_edge_and_nothing_else(shape: str, size: tuple[int, int]) -> None:
    canvas = np.zeros((240, 240, 3), np.uint8)
    look = drawing.Style(shape=shape, colour_rgb=np.full(3, 200, np.float32), texture="plain")
    area = drawing.draw(np.random.default_rng(0), canvas, look, (20, 30, *size))
    rows, columns = np.nonzero(canvas.any(axis=2))
    assert (columns.min(), rows.min()) == (20, 30)
    assert (columns.max(), rows.max()) == (20 + size[0] - 1, 30 + size[1] - 1)
    assert area == len(rows)


def test_the_filled_fraction_of_a_shape_is_the_share_of_its_box() -> None:
    assert drawing.filled_fraction("rectangle") == 1
    assert drawing.filled_fraction("triangle") == pytest.approx(1 / 2)
    assert drawing.filled_fraction("cross") == pytest.approx(5 / 9)
    assert drawing.filled_fraction("ellipse") == pytest.approx(np.pi / 4, abs=0.01)


def test_no_two_categories_share_shape_and_colour() -> None:
    looks = {(drawing.style(row).shape, tuple(drawing.style(row).colour_rgb)) for row in range(80)}
    assert len(looks) == 80


def test_easy_categories_differ_in_colour() -> None:
    assert len({tuple(drawing.style(row).colour_rgb) for row in range(subject.EASY_CATEGORIES)}) == 8


def test_a_data_set_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    directory = make(tmp_path / "coco")
    before = content(directory)
    recipe = SyntheticSpec(train_images=6, val_images=2, seed=1)
    assert not synthesise(directory, recipe, ignore_progress)
    assert content(directory) == before


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    directory = make(tmp_path / "coco")
    with pytest.raises(DataError, match="was not made with these parameters"):
        make(directory, seed=9)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    (tmp_path / "file").touch()
    for place in ("mine", "file"):
        with pytest.raises(DataError, match="choose another directory"):
            make(tmp_path / place)


def test_another_process_may_have_been_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make(tmp_path / "coco")
    before = content(directory)
    directory.rename(tmp_path / "theirs")

    def arrive(part: Path, progress: Any) -> Any:
        (tmp_path / "theirs").rename(directory)
        return verify(part, progress)

    monkeypatch.setattr(subject, "verify", arrive)
    assert not synthesise(directory, SyntheticSpec(train_images=6, val_images=2, seed=1), ignore_progress)
    assert content(directory) == before
    assert list(tmp_path.iterdir()) == [directory]


def test_an_interrupted_making_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subject, "verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "coco")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("parameters", [{"train_images": 0}, {"val_images": 0}, {"seed": -1}])
def test_a_recipe_that_cannot_be_followed_is_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least one image in each split"):
        replace(SyntheticSpec(train_images=1, val_images=1, seed=0), **parameters)  # type: ignore[arg-type]
