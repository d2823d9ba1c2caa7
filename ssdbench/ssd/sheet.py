"""Draws a contact sheet of validation images with their ground truth and detections."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Tuple, Union

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.ops import box_iou

from ssdbench.atomic import atomic_file
from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.errors import DataError
from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.coco import Columns, PreparedSplit, load_columns

Colour = Tuple[int, int, int]
Corners = Tuple[int, int, int, int]  # left, top, right, bottom in pixels of a tile
Font = Union[ImageFont.FreeTypeFont, ImageFont.ImageFont]

COLUMNS = 4
PICTURE_WH = (400, 300)  # pixels that an image is scaled to fit
CAPTION_PX = 20
GAP_PX = 12
LEGEND_PX = 32
TEXT_PX = 12
DASH_PX = (7, 5)  # drawn, gap
SMALL_PX = 12  # boxes with a shorter side get a thin frame, so that the object stays visible
MOST_DETECTIONS = 20  # drawn per image, the best ones
FOUND_IOU = 0.5

PAPER: Colour = (255, 255, 255)
INK: Colour = (25, 25, 25)
TRUTH: Colour = (70, 235, 120)
DETECTION: Colour = (255, 165, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marks:
    """Boxes to draw on one image: relative corners (K, 4) and their texts; an empty text is not drawn."""

    truth_ltrb: Float64Array
    truth_texts: list[str]
    found_ltrb: Float64Array
    found_texts: list[str]


def draw_sheet(
    path: Path, split: PreparedSplit, rows: Float64Array, *, images: int = 12, score_threshold: float = 0.3
) -> None:
    """Write a PNG of `images` images, spread evenly over the split; `rows` are detections (D, 7) of `detection_rows`.

    Ground truth is dashed, and named if no detection of its category overlaps it by half (IoU). Detections with a score
    of at least `score_threshold` are solid, with category and score, at most `MOST_DETECTIONS` per image. The file is
    written atomically. Raises DataError for an image that cannot be read, OSError if writing fails.
    """
    columns = load_columns(split)
    chosen = np.unique(np.linspace(0, len(columns.image_ids) - 1, num=images).round().astype(int)).tolist()
    across = min(COLUMNS, len(chosen))
    down = -(-len(chosen) // across)
    cell_w, cell_h = PICTURE_WH[0] + GAP_PX, PICTURE_WH[1] + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (across * cell_w + GAP_PX, LEGEND_PX + down * cell_h + GAP_PX), PAPER)
    _draw_legend(sheet, f"{len(chosen)} of {len(columns.image_ids)} {split.name} images", score_threshold)
    for place, row in enumerate(chosen):
        found = rows[(rows[:, 0] == row) & (rows[:, 5] >= score_threshold)]
        best = found[np.argsort(-found[:, 5], kind="stable")][:MOST_DETECTIONS]
        corner = (GAP_PX + place % across * cell_w, LEGEND_PX + GAP_PX + place // across * cell_h)
        _draw_image(sheet, corner, split, columns, row, _marks(split, columns, row, best))
        objects = int(columns.first_box[row + 1] - columns.first_box[row])
        caption = f"{columns.file_names[row]}: {_pluralize(objects, 'object')}, {_pluralize(len(found), 'detection')}"
        _draw_caption(sheet, corner, caption + (f", best {len(best)} shown" if len(best) < len(found) else ""))
    with atomic_file(path) as part:
        sheet.save(part, format="PNG", optimize=True)


def _marks(split: PreparedSplit, columns: Columns, row: int, found: Float64Array) -> _Marks:
    height, width = columns.sizes_hw[row]
    ltrb = np.concatenate([found[:, 1:3], found[:, 1:3] + found[:, 3:5]], axis=1) / [width, height, width, height]
    names = ("background", *split.category_names)
    own = slice(int(columns.first_box[row]), int(columns.first_box[row + 1]))
    truth_ltrb, labels = columns.boxes_ltrb[own].astype(np.float64), columns.labels[own]
    overlap = box_iou(torch.from_numpy(truth_ltrb), torch.from_numpy(ltrb)).numpy()
    is_found = ((overlap >= FOUND_IOU) & (labels[:, None] == found[:, 6])).any(axis=1)
    return _Marks(
        truth_ltrb=truth_ltrb,
        truth_texts=["" if hit else names[label] for label, hit in zip_equal(labels, is_found)],
        found_ltrb=ltrb,
        found_texts=[f"{names[int(label)]} {score:.2f}" for score, label in found[:, 5:7]],
    )


def _draw_image(
    sheet: Image.Image, corner: tuple[int, int], split: PreparedSplit, columns: Columns, row: int, marks: _Marks
) -> None:
    file = split.image_root / columns.file_names[row]
    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error}): restore the image.") from error
    scale = min(PICTURE_WH[0] / picture.width, PICTURE_WH[1] / picture.height)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    draw = ImageDraw.Draw(picture)
    truth, found = (_corners(boxes, picture.size) for boxes in (marks.truth_ltrb, marks.found_ltrb))
    for box in truth:
        _draw_dashed(draw, box)
    for box in reversed(found):
        _draw_solid(draw, box)
    labels = [(box, text, DETECTION) for box, text in zip_equal(found, marks.found_texts)]
    labels += [(box, text, TRUTH) for box, text in zip_equal(truth, marks.truth_texts) if text]
    _draw_labels(draw, picture.size, labels)
    sheet.paste(picture, (corner[0], corner[1] + (PICTURE_WH[1] - picture.height) // 2))


def _corners(boxes_ltrb: Float64Array, size_wh: tuple[int, int]) -> list[Corners]:
    """Corners in pixels within the picture; a box outside becomes a line on its edge."""
    last = np.array([size_wh[0] - 1, size_wh[1] - 1] * 2)
    pixels = (boxes_ltrb.clip(0, 1) * last).round().astype(int).tolist()
    return [(left, top, right, bottom) for left, top, right, bottom in pixels]


def _draw_dashed(draw: ImageDraw.ImageDraw, box: Corners) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, outline=INK, width=2)
    on, off = DASH_PX
    for x in range(left, right + 1, on + off):
        for y in (top, bottom - 1):
            draw.line((x, y, min(x + on, right), y), fill=TRUTH, width=2)
    for y in range(top, bottom + 1, on + off):
        for x in (left, right - 1):
            draw.line((x, y, x, min(y + on, bottom)), fill=TRUTH, width=2)


def _draw_solid(draw: ImageDraw.ImageDraw, box: Corners) -> None:
    left, top, right, bottom = box
    small = min(right - left, bottom - top) < SMALL_PX
    draw.rectangle(box, outline=INK, width=2 if small else 4)
    draw.rectangle(box, outline=DETECTION, width=1 if small else 2)


def _draw_labels(
    draw: ImageDraw.ImageDraw, size_wh: tuple[int, int], labels: Iterable[tuple[Corners, str, Colour]]
) -> None:
    """Draw each text next to its box where no earlier text is; omit texts without a free place."""
    taken: list[Corners] = []
    for box, text, colour in labels:
        text = _writable(text)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=_font())
        width, height = round(right - left) + 5, round(bottom - top) + 5
        free = (place for place in _places(box, width, height, size_wh) if not any(_touch(place, o) for o in taken))
        place = next(free, None)
        if place is None:
            continue
        taken.append(place)
        draw.rectangle(place, fill=colour)
        draw.text((place[0] + 3 - left, place[1] + 3 - top), text, fill=INK, font=_font())


def _places(box: Corners, width: int, height: int, size_wh: tuple[int, int]) -> Iterable[Corners]:
    left, top, right, bottom = box
    above, below, inside = top - height, bottom + 1, (top, bottom - height)
    # In a small box the text would hide the object.
    for y in (above, *inside, below) if bottom - top > 3 * height else (above, below, *inside):
        for x in (left, right - width):
            x = max(0, min(x, size_wh[0] - width - 1))
            if width < size_wh[0] and 0 <= y < size_wh[1] - height:
                yield x, y, x + width, y + height


def _touch(one: Corners, other: Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _draw_caption(sheet: Image.Image, corner: tuple[int, int], text: str) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((corner[0], corner[1] + PICTURE_WH[1] + 3), _writable(text), fill=INK, font=_font())


def _draw_legend(sheet: Image.Image, images: str, score_threshold: float) -> None:
    draw = ImageDraw.Draw(sheet)
    x, y = GAP_PX, LEGEND_PX // 2
    texts = (
        ("ground truth, named if no detection of its category is there", TRUTH),
        (f"detection, score {score_threshold:.2f} or more", DETECTION),
        (images, None),
    )
    for text, colour in texts:
        swatch = (x, y - 7, x + 26, y + 7)
        if colour == TRUTH:
            _draw_dashed(draw, swatch)
        elif colour == DETECTION:
            _draw_solid(draw, swatch)
        x += 34 if colour else 0
        draw.text((x, y - 7), _writable(text), fill=INK, font=_font())
        x += round(draw.textlength(_writable(text), font=_font())) + 28


def _font() -> Font:
    try:
        return ImageFont.load_default(size=TEXT_PX)
    except TypeError:  # Pillow before 10.1 has one small font
        return ImageFont.load_default()


def _writable(text: str) -> str:
    """Replace what the built-in fonts lack: they have only Latin-1."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _pluralize(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
