"""The sheet of validation images: what is on it, and where."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ssdbench.errors import DataError
from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.coco import Prepared, PreparedSplit, load_columns
from ssdbench.ssd.sheet import (
    CAPTION_PX,
    DETECTION,
    GAP_PX,
    LEGEND_PX,
    PICTURE_WH,
    TRUTH,
    _draw_labels,
    draw_sheet,
)


def perfect(split: PreparedSplit) -> Float64Array:
    """A detection on every object."""
    columns = load_columns(split)
    rows = []
    for row in range(len(columns.image_ids)):
        height, width = columns.sizes_hw[row]
        for box in range(columns.first_box[row], columns.first_box[row + 1]):
            left, top, right, bottom = columns.boxes_ltrb[box] * [width, height, width, height]
            rows.append([row, left, top, right - left, bottom - top, 0.9, columns.labels[box]])
    return np.array(rows)


def count(sheet: Path, colour: tuple[int, int, int], below: int = LEGEND_PX) -> int:
    pixels = np.asarray(Image.open(sheet))[below:]
    return int((pixels == colour).all(axis=2).sum())


def test_a_sheet_has_a_place_for_every_image_and_is_the_same_each_time(prepared: Prepared, tmp_path: Path) -> None:
    rows = perfect(prepared.val)
    for name in ("one.png", "two.png"):
        draw_sheet(tmp_path / name, prepared.val, rows, images=6)
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.size == (
            4 * (PICTURE_WH[0] + GAP_PX) + GAP_PX,
            LEGEND_PX + 2 * (PICTURE_WH[1] + CAPTION_PX + GAP_PX) + GAP_PX,
        )
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_a_split_smaller_than_the_sheet_shows_every_image_once(prepared: Prepared, tmp_path: Path) -> None:
    draw_sheet(tmp_path / "sheet.png", prepared.val, np.empty((0, 7)), images=100)
    rows = -(-prepared.val.images // 4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == LEGEND_PX + rows * (PICTURE_WH[1] + CAPTION_PX + GAP_PX) + GAP_PX


def test_only_detections_from_the_threshold_on_are_drawn(prepared: Prepared, tmp_path: Path) -> None:
    rows = perfect(prepared.val)
    draw_sheet(tmp_path / "at.png", prepared.val, rows, score_threshold=0.9)
    draw_sheet(tmp_path / "above.png", prepared.val, rows, score_threshold=0.91)
    assert count(tmp_path / "at.png", DETECTION) > 1000
    assert count(tmp_path / "above.png", DETECTION) == 0
    assert count(tmp_path / "above.png", TRUTH) > 1000


def test_an_object_is_named_where_nothing_of_its_category_was_found(prepared: Prepared, tmp_path: Path) -> None:
    right, wrong = perfect(prepared.val), perfect(prepared.val)
    wrong[:, 6] = wrong[:, 6] % len(prepared.val.category_ids) + 1
    draw_sheet(tmp_path / "right.png", prepared.val, right)
    draw_sheet(tmp_path / "wrong.png", prepared.val, wrong)
    assert count(tmp_path / "wrong.png", TRUTH) > count(tmp_path / "right.png", TRUTH) + 1000


def test_labels_do_not_cover_each_other_and_stay_inside() -> None:
    picture = Image.new("RGB", (200, 100))
    box = (60, 40, 120, 80)
    one = Image.new("RGB", (200, 100))
    _draw_labels(ImageDraw.Draw(one), one.size, [(box, "cat", TRUTH)])
    _draw_labels(ImageDraw.Draw(picture), picture.size, [(box, "cat", TRUTH), (box, "cat", DETECTION)])
    pixels = np.asarray(picture)
    areas = [int((pixels == colour).all(axis=2).sum()) for colour in (TRUTH, DETECTION)]
    assert areas[0] == areas[1] == int((np.asarray(one) == TRUTH).all(axis=2).sum()) > 50
    full = Image.new("RGB", (200, 100))
    _draw_labels(ImageDraw.Draw(full), full.size, [((0, 0, 199, 99), "x" * 60, TRUTH)])
    assert not np.asarray(full).any()


def test_an_image_that_cannot_be_read_gets_a_sentence_and_leaves_no_file(prepared: Prepared, tmp_path: Path) -> None:
    image = prepared.val.image_root / load_columns(prepared.val).file_names[0]
    before = image.read_bytes()
    image.write_bytes(b"no picture")
    try:
        with pytest.raises(DataError, match=rf"{image.name} cannot be read"):
            draw_sheet(tmp_path / "sheet.png", prepared.val, np.empty((0, 7)))
    finally:
        image.write_bytes(before)
    assert not list(tmp_path.iterdir())
