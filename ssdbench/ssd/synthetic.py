"""Generates a synthetic COCO: the layout, ids, image sizes and box statistics of COCO 2017, without a download.

Target statistics, from COCO train2017: median image 640x480 with about 150 KB, about 7 boxes per image with a long
tail, 41 / 34 / 24 % small / medium / large objects (areas below 32^2, below 96^2, above), 1 % of images without
annotations, nearly a third of all objects in the first category. Equal parameters give equal bytes, whatever the number
of processes (with the same versions of Pillow and NumPy).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssdbench.atomic import atomic_folder
from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.errors import DataError, UsageError
from ssdbench.ssd import drawing
from ssdbench.ssd.coco import SPLITS, annotation_path, image_root
from ssdbench.ssd.images import Progress
from ssdbench.ssd.processes import in_processes
from ssdbench.ssd.verification import verify

GENERATOR_VERSION = 1
MARKER = "ssdbench-synthetic.json"

COCO_CATEGORIES = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck",
    9: "boat", 10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench",
    16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear",
    24: "zebra", 25: "giraffe", 27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase",
    34: "frisbee", 35: "skis", 36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat",
    40: "baseball glove", 41: "skateboard", 42: "surfboard", 43: "tennis racket", 44: "bottle",
    46: "wine glass", 47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl", 52: "banana", 53: "apple",
    54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza", 60: "donut",
    61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed", 67: "dining table", 70: "toilet",
    72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard", 77: "cell phone", 78: "microwave",
    79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator", 84: "book", 85: "clock", 86: "vase",
    87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
}  # fmt: skip
SIZES_WH = {  # size: share of the images
    (640, 480): 0.42, (480, 640): 0.16, (640, 427): 0.15, (427, 640): 0.06, (500, 375): 0.07, (375, 500): 0.03,
    (640, 640): 0.03, (640, 360): 0.03, (612, 612): 0.02, (640, 512): 0.02, (333, 500): 0.01,
}  # fmt: skip
EASY_SIZES_WH = {(320, 240): 0.6, (240, 320): 0.3, (300, 300): 0.1}
EASY_CATEGORIES = 8
AREA_BANDS_PX = ((7, 32), (32, 96), (96, 330))  # side of a square with the area of a small, medium or large object
AREA_SHARES = (0.40, 0.33, 0.27)
QUALITY = 95
ROUGHNESS = 40.0  # grey levels; together with QUALITY it determines the file size
MAX_BOXES = 63  # an image of COCO rarely has more


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSpec:
    """The parameters that determine every byte of a synthetic data set.

    `easy` means few categories that differ in colour, one to three large objects per image on a plain background, and
    small images. A detector learns it in minutes on a CPU.
    """

    train_images: int
    val_images: int
    seed: int
    easy: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for impossible parameters."""
        if min(self.train_images, self.val_images) < 1 or self.seed < 0:
            raise UsageError(
                f"a synthetic data set needs at least one image in each split and a seed of 0 or more, not "
                f"{self.train_images} train images, {self.val_images} val images, seed {self.seed}."
            )


def synthesise(directory: Path, spec: SyntheticSpec, progress: Progress) -> bool:
    """Write the data set to `directory` atomically; returns False if it was there already.

    `DataError` if `directory` contains anything else.
    """
    directory = directory.resolve()
    if _is_there(directory, spec):
        return False
    try:
        with atomic_folder(directory) as part:
            _write(part, spec, progress)
            (part / MARKER).write_text(json.dumps(_marker(spec), indent=2) + "\n", encoding="utf-8")
            report = verify(part, progress)
            if report.findings:
                raise RuntimeError(f"the synthetic data are faulty: {report.findings[0].sentence()}")
    except OSError:
        if not _is_there(directory, spec):  # otherwise another process was first, with the same content
            raise
        return False
    return True


def _is_there(directory: Path, spec: SyntheticSpec) -> bool:
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        found = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != _marker(spec):
        raise DataError(
            f"{directory} exists and was not made with these parameters by this version: remove it or choose "
            "another directory."
        )
    return True


def _marker(spec: SyntheticSpec) -> dict[str, Any]:
    return {"generator_version": GENERATOR_VERSION, **asdict(spec)}


def _write(root: Path, spec: SyntheticSpec, progress: Progress) -> None:
    counts = {"train": spec.train_images, "val": spec.val_images}
    work = [(split, index) for split in SPLITS for index in range(counts[split])]
    (root / "annotations").mkdir()
    for split in SPLITS:
        image_root(root, split).mkdir()
    written: dict[str, list[tuple[dict[str, Any], list[dict[str, Any]]]]] = {split: [] for split in SPLITS}
    results = in_processes(partial(_write_image, root, spec), work)
    for done, ((split, _), result) in enumerate(zip_equal(work, results), start=1):
        written[split].append(result)
        progress("drawing images", done, len(work))
    for split in SPLITS:
        _write_annotations(annotation_path(root, split), written[split], easy=spec.easy)


def _write_annotations(path: Path, written: list[tuple[dict[str, Any], list[dict[str, Any]]]], *, easy: bool) -> None:
    categories = list(COCO_CATEGORIES.items())[: EASY_CATEGORIES if easy else None]
    boxes = [box for _, boxes in written for box in boxes]
    document = {
        "info": {"description": "synthetic data in the form of COCO 2017, made by ssdbench"},
        "images": [image for image, _ in written],
        "annotations": [{"id": 10_001 + row, **box} for row, box in enumerate(boxes)],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _write_image(
    root: Path, spec: SyntheticSpec, split_index: tuple[str, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    split, index = split_index
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), index])
    sizes = EASY_SIZES_WH if spec.easy else SIZES_WH
    width, height = list(sizes)[rng.choice(len(sizes), p=np.array(list(sizes.values())))]
    roughness = 3.0 if spec.easy else float(np.clip(rng.lognormal(np.log(ROUGHNESS), 0.9), 2, 120))
    canvas = drawing.background(rng, (width, height), roughness=roughness)
    image_id = 2 * (3 * index + int(rng.integers(3))) + SPLITS.index(split) + 1
    boxes = _draw_objects(rng, canvas, spec, index)
    picture = Image.fromarray(canvas)
    if not spec.easy and index % 100 == 61:
        picture = picture.convert("L")
    file_name = f"{image_id:012d}.jpg"
    picture.save(
        image_root(root, split) / file_name, quality=QUALITY, subsampling=int(rng.choice([0, 2], p=[0.1, 0.9]))
    )
    image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
    return image, [{"image_id": image_id, **box} for box in boxes]


def _draw_objects(
    rng: np.random.Generator, canvas: drawing.Pixels, spec: SyntheticSpec, index: int
) -> list[dict[str, Any]]:
    """Draw the objects of one image, the largest first, and give their annotations in a random order."""
    if spec.easy:
        count = int(rng.integers(1, 4))
    elif index % 100 == 37:
        count = 0
    else:
        count = min(MAX_BOXES, 1 + int(rng.lognormal(np.log(4.5), 0.9)))
    ids = list(COCO_CATEGORIES)
    rows = rng.choice(len(_shares(spec.easy)), size=count, p=_shares(spec.easy))
    sizes = _object_sizes(rng, [drawing.style(int(row)) for row in rows], canvas, easy=spec.easy)
    placed: list[tuple[int, int, int, int]] = []
    annotations = []
    for row, (width, height) in sorted(zip_equal(rows.tolist(), sizes), key=lambda item: -item[1][0] * item[1][1]):
        box = _place(rng, canvas, (width, height), placed)
        placed.append(box)
        area = drawing.draw(rng, canvas, drawing.style(row), box)
        outline = drawing.SHAPES[drawing.style(row).shape] * box[2:] + box[:2]
        annotations.append(_annotation(ids[row], box, area, [outline.round(2).ravel().tolist()]))
    if not spec.easy and index % 50 == 23:
        annotations.append(_draw_crowd(rng, canvas, ids))
    return [annotations[i] for i in rng.permutation(len(annotations))]


def _shares(easy: bool) -> Any:
    """The share of each category: the first has about a third, like persons in COCO."""
    if easy:
        return np.full(EASY_CATEGORIES, 1 / EASY_CATEGORIES)
    weights = 1 / (np.arange(len(COCO_CATEGORIES)) + 8.0)
    weights[0] = weights[1:].sum() * 0.45
    return weights / weights.sum()


def _object_sizes(
    rng: np.random.Generator, looks: list[drawing.Style], canvas: drawing.Pixels, *, easy: bool
) -> list[tuple[int, int]]:
    """Widths and heights in pixels; large objects only as long as there is room for them."""
    height, width = canvas.shape[:2]
    room = 0.8 * width * height
    sizes = []
    for look in looks:
        if easy:
            area = rng.uniform(0.06, 0.2) * width * height
        else:
            band = rng.choice(3, p=AREA_SHARES)
            area = _area(rng, band)
            while area > room and band == 2:
                band = rng.choice(2)
                area = _area(rng, band)
        room -= area
        box_area = area / drawing.filled_fraction(look.shape)
        aspect = float(np.exp(rng.normal(0, 0.2 if easy else 0.4)))
        sizes.append(
            (
                int(np.clip(np.sqrt(box_area * aspect), 6, width)),
                int(np.clip(np.sqrt(box_area / aspect), 6, height)),
            )
        )
    return sizes


def _area(rng: np.random.Generator, band: int) -> float:
    lowest_side, highest_side = AREA_BANDS_PX[band]
    return float(np.exp(rng.uniform(2 * np.log(lowest_side), 2 * np.log(highest_side))))


def _place(
    rng: np.random.Generator,
    canvas: drawing.Pixels,
    size_wh: tuple[int, int],
    placed: list[tuple[int, int, int, int]],
) -> tuple[int, int, int, int]:
    """The one of ten random positions that covers least of the objects already drawn."""
    height, width = canvas.shape[:2]
    x = rng.integers(0, width - size_wh[0], 10, endpoint=True)
    y = rng.integers(0, height - size_wh[1], 10, endpoint=True)
    others = np.array(placed, np.int64).reshape(-1, 4)
    overlap_w = np.minimum(x[:, None] + size_wh[0], others[:, 0] + others[:, 2]) - np.maximum(x[:, None], others[:, 0])
    overlap_h = np.minimum(y[:, None] + size_wh[1], others[:, 1] + others[:, 3]) - np.maximum(y[:, None], others[:, 1])
    covered = overlap_w.clip(0) * overlap_h.clip(0) / (others[:, 2] * others[:, 3])
    best = int(np.argmin(covered.max(axis=1, initial=0)))
    return int(x[best]), int(y[best]), *size_wh


def _draw_crowd(rng: np.random.Generator, canvas: drawing.Pixels, ids: list[int]) -> dict[str, Any]:
    """Draw many small objects next to each other, annotated as one region with `iscrowd`."""
    height, width = canvas.shape[:2]
    region_w, region_h = width // 3, height // 4
    left, top = int(rng.integers(0, width - region_w)), int(rng.integers(0, height - region_h))
    row, side = int(rng.integers(0, 20)), 20
    for y in range(top, top + region_h - side + 1, side):
        for x in range(left, left + region_w - side + 1, side):
            drawing.draw(rng, canvas, drawing.style(row), (x, y, side - 2, side - 2))
    region_w, region_h = region_w // side * side - 2, region_h // side * side - 2
    mask = np.zeros((width, height), np.bool_)
    mask[left : left + region_w, top : top + region_h] = True
    turns = np.flatnonzero(np.diff(mask.ravel())) + 1
    counts = np.diff(np.concatenate([[0], turns, [mask.size]])).tolist()
    segmentation = {"size": [height, width], "counts": counts}
    box = (left, top, region_w, region_h)
    return _annotation(ids[row], box, region_w * region_h, segmentation, crowd=True)


def _annotation(
    category_id: int, box_xywh: tuple[int, int, int, int], area: int, segmentation: Any, *, crowd: bool = False
) -> dict[str, Any]:
    return {
        "category_id": category_id,
        "bbox": [float(side) for side in box_xywh],
        "area": float(area),
        "iscrowd": int(crowd),
        "segmentation": segmentation,
    }
