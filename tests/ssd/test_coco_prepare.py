"""Preparing a data set: what is refused, what is repaired, and that it is done once.

The faults are those that DALI 2.4 was seen to pass in silence, or to name badly.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssdbench.errors import DataError, ExitCode
from ssdbench.ssd import preparation
from ssdbench.ssd.coco import Prepared, load_columns, load_prepared
from ssdbench.ssd.preparation import prepare
from tests.ssd.planting import Document, Plant, cut, first_image, ignore_progress, train_annotations


def ready(directory: Path) -> Prepared:
    return prepare(directory, directory.parent / "cache", ignore_progress)


def refusal(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        ready(directory)
    assert caught.value.exit_code == ExitCode.BAD_DATA
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".") or sentence.endswith("lists it.")
    assert not list((directory.parent / "cache").glob("*")), "a refused data set leaves nothing behind"
    return sentence


def refusal_after(directory: Path) -> str:
    """The refusal of a data set that was sound before."""
    with pytest.raises(DataError) as caught:
        ready(directory)
    return str(caught.value)


def first_box(change: Callable[[list[float]], list[float]]) -> Callable[[Document], None]:
    def apply(document: Document) -> None:
        document["annotations"][0]["bbox"] = change(document["annotations"][0]["bbox"])

    return apply


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.7, 0.99])
def test_a_cut_off_annotation_file_is_refused(plant: Plant, fraction: float) -> None:
    directory = plant()
    cut(train_annotations(directory), fraction)
    assert "instances_train2017.json with" in (sentence := refusal(directory))
    assert "is truncated or damaged" in sentence
    assert "download or write it again" in sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d: d["annotations"][0].update(category_id=12),
            "has 1 annotation(s) whose category it does not list",
        ),
        (
            lambda d: d["annotations"][0].update(image_id=999_999),
            "has 1 annotation(s) whose image it does not list",
        ),
        (
            lambda d: d["images"].append(d["images"][0] | {"file_name": "x.jpg"}),
            "gives 1 `id`(s) in `images` more",
        ),
        (
            lambda d: d["images"].append(d["images"][0] | {"id": 999_999}),
            "1 `file_name`(s) in `images` more",
        ),
        (lambda d: d["annotations"].append(d["annotations"][0]), "gives 1 `id`(s) in `annotations` more than once"),
        (lambda d: d["images"][0].update(width=641, height=479), "1 image(s) that do not have the annotated size"),
        (lambda d: d["images"][0].update(file_name="gone.jpg"), "1 image(s) that are missing (gone.jpg)"),
        (lambda d: d["categories"].reverse(), "lists other categories, or in another order"),
        (lambda d: d["annotations"].clear(), "holds no annotation"),
        (lambda d: d["images"].clear(), "holds no image"),
        (
            lambda d: [a.update(bbox=[1, 1, 0.05, 5]) for a in d["annotations"]],
            "has no box with an area inside an image",
        ),
        (first_box(lambda b: [b[0], float("nan"), b[2], b[3]]), "has 1 box(es) that are not finite numbers"),
    ],
)
def test_a_fault_that_cannot_be_repaired_is_refused_in_one_sentence(
    plant: Plant, change: Callable[[Document], Any], sentence: str
) -> None:
    assert sentence in refusal(plant(change))


def test_when_there_is_more_than_one_fault_the_sentence_says_how_to_see_all(plant: Plant) -> None:
    def change(document: Document) -> None:
        document["annotations"][0]["category_id"] = 12
        document["annotations"][1]["image_id"] = 999_999

    directory = plant(change)
    assert refusal(directory).endswith(f"There is more: `ssdbench data verify {directory}` lists it.")


@pytest.mark.parametrize("content", [b"", os.urandom(2000), b"\xff\xd8\x00"], ids=["empty", "noise", "broken"])
def test_a_file_that_is_no_image_is_refused(plant: Plant, content: bytes) -> None:
    directory = plant()
    first_image(directory).write_bytes(content)
    assert f"1 image(s) that cannot be decoded ({first_image(directory).name}" in refusal(directory)


def test_a_jpeg_cut_in_half_is_refused(plant: Plant) -> None:
    directory = plant()
    cut(first_image(directory))
    assert f"cannot be decoded ({first_image(directory).name}: image file is truncated" in refusal(directory)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(plant: Plant) -> None:
    directory = plant()
    first_image(directory).write_bytes(first_image(directory).read_bytes() + bytes(5000))
    assert ready(directory).train.images == 8


def test_a_directory_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"instances_train2017\.json does not exist: give a directory with annotations/"
    ):
        prepare(tmp_path, tmp_path / "cache", ignore_progress)


@pytest.mark.parametrize("change", [
    lambda b: [-0.001, b[1], b[2], b[3]],
    lambda b: [b[0], -3, b[2], b[3] + 3],
    lambda b: [b[0], b[1], 10_000, b[3]],
])  # fmt: skip
def test_a_box_beyond_the_edge_is_clipped_and_counted(
    plant: Plant, change: Callable[[list[float]], list[float]]
) -> None:
    prepared = ready(plant(first_box(change)))
    assert (prepared.train.clipped_boxes, prepared.train.dropped_boxes) == (1, 0)
    (warning,) = prepared.warnings
    assert (warning.code, warning.split, warning.count) == ("box-outside", "train", 1)
    boxes_ltrb = load_columns(prepared.train).boxes_ltrb
    assert boxes_ltrb.min() >= 0
    assert boxes_ltrb.max() <= 1


def test_a_box_without_area_is_left_out_and_counted(plant: Plant) -> None:
    sound = ready(plant()).train
    shutil.rmtree(sound.image_root.parent)
    prepared = ready(plant(first_box(lambda b: [b[0], b[1], 0, b[3]])))
    assert (prepared.train.clipped_boxes, prepared.train.dropped_boxes) == (0, 1)
    assert prepared.train.boxes == sound.boxes - 1
    assert [warning.code for warning in prepared.warnings] == ["box-without-area"]


def test_an_image_that_loses_its_last_box_counts_as_not_annotated(plant: Plant) -> None:
    def change(document: Document) -> None:
        image = document["annotations"][0]["image_id"]
        for annotation in document["annotations"]:
            if annotation["image_id"] == image:
                annotation["bbox"] = [1, 1, 0, 0]

    prepared = ready(plant(change)).train
    assert prepared.annotated_images == prepared.images - 1


def test_an_exif_rotation_is_a_warning_and_the_pixels_count_as_stored(plant: Plant) -> None:
    directory = plant()
    path = first_image(directory)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(path, exif=exif, quality=90)
    (warning,) = ready(directory).warnings
    assert (warning.code, warning.examples) == ("image-rotated", (f"{path.name}: EXIF orientation 6",))


def test_sparse_category_ids_become_labels_from_one_in_the_order_of_the_file(prepared: Prepared) -> None:
    source = json.loads(prepared.train.source_annotations.read_text())
    assert prepared.train.category_ids == tuple(c["id"] for c in source["categories"])
    assert prepared.train.category_ids[10:12] == (11, 13)
    clean = json.loads(prepared.train.annotations.read_text())
    assert [c["id"] for c in clean["categories"]] == list(range(1, 81))
    columns = load_columns(prepared.train)
    original = {image["id"]: image["file_name"] for image in source["images"]}
    expected = sorted((original[a["image_id"]], a["category_id"], *a["bbox"]) for a in source["annotations"])
    found = sorted(
        (clean["images"][a["image_id"]]["file_name"], prepared.train.category_ids[a["category_id"] - 1], *a["bbox"])
        for a in clean["annotations"]
    )
    assert found == expected
    assert columns.image_ids.tolist() == list(original)
    assert columns.file_names == tuple(original.values())


def test_the_columns_say_the_same_as_the_clean_file(prepared: Prepared) -> None:
    columns, clean = load_columns(prepared.train), json.loads(prepared.train.annotations.read_text())
    rows = np.repeat(np.arange(len(columns.file_names)), np.diff(columns.first_box))
    assert rows.tolist() == [a["image_id"] for a in clean["annotations"]]
    assert columns.labels.tolist() == [a["category_id"] for a in clean["annotations"]]
    boxes_xywh = np.array([a["bbox"] for a in clean["annotations"]])
    boxes_ltrb = np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
    sides = columns.sizes_hw[rows][:, [1, 0, 1, 0]]
    assert columns.boxes_ltrb == pytest.approx(boxes_ltrb / sides, abs=1e-6)


def test_the_counts_are_right_and_crowds_stay(prepared: Prepared) -> None:
    train = prepared.train
    assert (train.images, train.annotated_images) == (63, 62)
    assert train.boxes == len(load_columns(train).labels)
    assert train.crowd_boxes >= 1
    assert train.image_bytes == sum(path.stat().st_size for path in train.image_root.iterdir())
    assert prepared.warnings == ()


def test_the_second_call_finds_what_the_first_wrote(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = plant()
    first = ready(directory)
    monkeypatch.setattr(preparation, "_write_prepared", lambda *_: pytest.fail("prepared again"))
    second = ready(directory)
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert (first.train, first.val, first.path) == (second.train, second.val, second.path)


def test_a_file_that_is_touched_or_not_listed_changes_nothing(plant: Plant) -> None:
    directory = plant()
    first = ready(directory)
    train_annotations(directory).touch()
    (directory / "val2017" / "notes.txt").touch()
    second = ready(directory)
    assert second.cache_hit
    assert second.train == first.train


@pytest.mark.parametrize("same_time", [False, True], ids=["new time", "old time"])
def test_annotations_of_equal_size_are_prepared_anew(plant: Plant, same_time: bool) -> None:
    directory = plant(lambda d: d["annotations"][0].update(bbox=[10, 10, 50, 50]))
    path, first = train_annotations(directory), ready(directory)
    before = path.stat()
    path.write_text(path.read_text().replace("[10, 10, 50, 50]", "[90, 90, 60, 60]"))
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = ready(directory)
    assert not second.cache_hit
    assert second.train.fingerprint != first.train.fingerprint
    assert second.val.fingerprint == first.val.fingerprint


def test_an_image_replaced_in_place_is_checked_again(plant: Plant) -> None:
    directory = plant()
    ready(directory)
    Image.new("RGB", (37, 41)).save(first_image(directory))
    assert "do not have the annotated size" in refusal_after(directory)


def test_the_images_of_before_are_found_prepared(plant: Plant) -> None:
    directory = plant()
    ready(directory)
    image = first_image(directory)
    content, times = image.read_bytes(), image.stat()
    image.write_bytes(content + b"\0")
    assert not ready(directory).cache_hit
    image.write_bytes(content)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ready(directory).cache_hit


def test_a_missing_image_is_found_although_the_data_were_prepared_before(plant: Plant) -> None:
    directory = plant()
    ready(directory)
    first_image(directory).unlink()
    with pytest.raises(DataError, match="are missing"):
        ready(directory)


def test_the_fingerprint_is_of_the_content_and_not_of_the_place_or_the_time(plant: Plant, tmp_path: Path) -> None:
    here = plant()
    elsewhere = shutil.copytree(here, tmp_path / "elsewhere")
    assert ready(here).train.fingerprint == ready(elsewhere).train.fingerprint
    first_image(elsewhere).touch()
    assert ready(elsewhere).train.fingerprint == ready(here).train.fingerprint
    first_image(elsewhere).write_bytes(first_image(elsewhere).read_bytes() + b"\0")
    assert ready(elsewhere).train.fingerprint != ready(here).train.fingerprint


def test_another_process_may_have_been_first(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = plant()
    write = preparation._write_prepared

    def late(directory: Path, tables: Any, part: Path, target: Path, *others: Any) -> None:
        write(directory, tables, part, target, *others)
        shutil.copytree(part, target)

    monkeypatch.setattr(preparation, "_write_prepared", late)
    prepared = ready(directory)
    assert prepared.train.images == 8
    assert [path.suffix for path in (directory.parent / "cache").iterdir()] == [""]


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1, "splits": {}}', '{"version": 99}'])
def test_another_file_is_no_prepared_data_set(tmp_path: Path, content: str) -> None:
    (tmp_path / "prepared.json").write_text(content)
    with pytest.raises(DataError, match=r"prepares? the data again"):
        load_prepared(tmp_path / "prepared.json")
