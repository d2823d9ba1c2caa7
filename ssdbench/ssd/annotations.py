"""A COCO annotation file in columns: reading it, judging it, repairing what can be repaired.

DALI's COCO reader passes most faults of such a file in silence: a cut-off file makes the epoch shorter, a box of an
unknown category becomes background, a duplicate image makes the epoch longer. So the file is judged here, before.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssdbench.errors import DataError

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

MAX_CATEGORIES = 80  # SSD300's class head has 81 outputs, one of them the background
MIN_SIDE_PX = 0.1  # DALI's own size_threshold: a box with a smaller side is no object
MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of fault in a split: how often, where for example, and what to do about it."""

    severity: Literal["error", "warning"]
    code: str
    split: str
    count: int
    message: str
    examples: tuple[str, ...]
    remedy: str

    def sentence(self) -> str:
        """The finding as one sentence for an error message."""
        where = f" ({', '.join(self.examples)}{', ...' if self.count > len(self.examples) else ''})"
        return f"{self.message}{where if self.examples else ''}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationTable:
    """The images (I), categories (C) and boxes (B) of one annotation file, in the order of the file."""

    path: Path
    image_ids: Int64Array  # (I,)
    file_names: tuple[str, ...]  # (I,)
    sizes_wh: Int64Array  # (I, 2) pixels
    category_ids: Int64Array  # (C,)
    category_names: tuple[str, ...]  # (C,)
    box_ids: Int64Array  # (B,)
    box_image_ids: Int64Array  # (B,)
    box_category_ids: Int64Array  # (B,)
    boxes_xywh: Float64Array  # (B, 4) pixels
    areas: Float64Array  # (B,) square pixels of the object, of its box where the file does not say
    crowd: BoolArray  # (B,)


def read_annotations(path: Path) -> AnnotationTable:
    """The table of a COCO instances file; `DataError` if the file is missing, cut off, or of another form."""
    document = _read_json(path)
    images = _section(document, "images", path)
    categories = _section(document, "categories", path)
    boxes = _section(document, "annotations", path)

    def column(rows: Sequence[Any], section: str, get: Callable[[Any], Any], dtype: Any) -> npt.NDArray[Any]:
        return _column(rows, get, dtype, f"{path}: `{section}`")

    boxes_xywh = column(boxes, "annotations", lambda a: _four_numbers(a["bbox"]), np.float64)
    return AnnotationTable(
        path=path,
        image_ids=column(images, "images", lambda i: i["id"], np.int64),
        file_names=tuple(str(name) for name in column(images, "images", lambda i: i["file_name"], np.str_)),
        sizes_wh=column(images, "images", lambda i: (i["width"], i["height"]), np.int64).reshape(-1, 2),
        category_ids=column(categories, "categories", lambda c: c["id"], np.int64),
        category_names=tuple(str(n) for n in column(categories, "categories", lambda c: c["name"], np.str_)),
        box_ids=column(boxes, "annotations", lambda a: a["id"], np.int64),
        box_image_ids=column(boxes, "annotations", lambda a: a["image_id"], np.int64),
        box_category_ids=column(boxes, "annotations", lambda a: a["category_id"], np.int64),
        boxes_xywh=boxes_xywh.reshape(-1, 4),
        areas=column(boxes, "annotations", lambda a: float(a.get("area", a["bbox"][2] * a["bbox"][3])), np.float64),
        crowd=column(boxes, "annotations", lambda a: a.get("iscrowd", 0), np.int64).astype(np.bool_),
    )


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            document = json.load(file)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist: give the directory that holds annotations/, train2017/ and val2017/."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}): download or write it again.") from error
    except json.JSONDecodeError as error:
        size = path.stat().st_size
        raise DataError(
            f"{path} is cut off or damaged at character {error.pos} of {size} bytes: download or write it again."
        ) from error
    if not isinstance(document, dict):
        raise DataError(f"{path} is not a COCO annotation file: its top level is not an object.")
    return document


def _section(document: Mapping[str, Any], name: str, path: Path) -> Sequence[Any]:
    rows = document.get(name)
    if not isinstance(rows, list):
        raise DataError(f"{path} has no list `{name}`: it is not a COCO instances file; download it again.")
    return rows


def _column(rows: Sequence[Any], get: Callable[[Any], Any], dtype: npt.DTypeLike, where: str) -> npt.NDArray[Any]:
    values: list[Any] = []
    try:
        for row in rows:
            values.append(get(row))
        array = np.asarray(values)
        if array.size == 0 or np.dtype(dtype).kind == array.dtype.kind:
            return array.astype(dtype)
        if np.dtype(dtype).kind == "f" and array.dtype.kind in "iu":
            return array.astype(dtype)
        raise TypeError(f"values of type {array.dtype} where {np.dtype(dtype)} is meant")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        fault = f"has no {error}" if isinstance(error, KeyError) else f"is malformed: {error}"
        raise DataError(f"{where} entry {min(len(values), len(rows) - 1)} {fault}; write the file again.") from error


def _four_numbers(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = bbox
    return float(x), float(y), float(width), float(height)


def examine(table: AnnotationTable, split: str) -> list[Finding]:
    """Every fault that the annotation file shows by itself, without a look at the images."""
    return [
        finding
        for finding in (
            *_identity_findings(table, split),
            *_reference_findings(table, split),
            *_box_findings(table, split),
        )
        if finding.count
    ]


def _identity_findings(table: AnnotationTable, split: str) -> Iterable[Finding]:
    name = table.path.name
    for kind, ids in (("image", table.image_ids), ("annotation", table.box_ids), ("category", table.category_ids)):
        repeated = _repeated(ids)
        yield Finding(
            severity="error",
            code=f"duplicate-{kind}-id",
            split=split,
            count=len(repeated),
            message=f"{name} gives {len(repeated)} {kind} id(s) more than once",
            examples=tuple(f"{kind} {i}" for i in repeated[:MAX_EXAMPLES]),
            remedy=f"give every {kind} an id of its own",
        )
    names = np.asarray(table.file_names, dtype=np.str_)
    repeated_names = _repeated(names)
    yield Finding(
        severity="error",
        code="duplicate-file",
        split=split,
        count=len(repeated_names),
        message=f"{name} lists {len(repeated_names)} file(s) more than once",
        examples=tuple(repeated_names[:MAX_EXAMPLES].tolist()),
        remedy="list every image once",
    )
    yield Finding(
        severity="error",
        code="too-many-categories",
        split=split,
        count=max(0, len(table.category_ids) - MAX_CATEGORIES),
        message=f"{name} has {len(table.category_ids)} categories, SSD300 tells {MAX_CATEGORIES} apart",
        examples=(),
        remedy="take the 80 COCO categories, or a part of them",
    )
    for thing, count in (
        ("image", len(table.image_ids)),
        ("category", len(table.category_ids)),
        ("annotation", len(table.box_ids)),
    ):
        yield Finding(
            severity="error",
            code=f"no-{thing}",
            split=split,
            count=int(count == 0),
            message=f"{name} holds no {thing}",
            examples=(),
            remedy="download or write it again",
        )
    unsorted = int(np.sum(np.diff(table.category_ids) < 0))
    yield Finding(
        severity="warning",
        code="category-order",
        split=split,
        count=unsorted,
        message=f"{name} lists its categories out of the order of their ids",
        examples=(),
        remedy="labels 1, 2, ... follow the order of the file; a checkpoint trained on another "
        "order names its classes wrongly",
    )


def _reference_findings(table: AnnotationTable, split: str) -> Iterable[Finding]:
    name = table.path.name
    unknown_category = ~np.isin(table.box_category_ids, table.category_ids)
    yield Finding(
        severity="error",
        code="unknown-category",
        split=split,
        count=int(unknown_category.sum()),
        message=f"{name} has {int(unknown_category.sum())} annotation(s) of a category that it does not list",
        examples=tuple(
            f"annotation {table.box_ids[i]}: category {table.box_category_ids[i]}"
            for i in np.flatnonzero(unknown_category)[:MAX_EXAMPLES]
        ),
        remedy="list the category or correct the annotation",
    )
    unknown_image = ~np.isin(table.box_image_ids, table.image_ids)
    yield Finding(
        severity="error",
        code="unknown-image",
        split=split,
        count=int(unknown_image.sum()),
        message=f"{name} has {int(unknown_image.sum())} annotation(s) of an image that it does not list",
        examples=tuple(
            f"annotation {table.box_ids[i]}: image {table.box_image_ids[i]}"
            for i in np.flatnonzero(unknown_image)[:MAX_EXAMPLES]
        ),
        remedy="list the image or remove the annotation",
    )
    no_size = (table.sizes_wh < 1).any(axis=1)
    yield Finding(
        severity="error",
        code="image-size",
        split=split,
        count=int(no_size.sum()),
        message=f"{name} gives {int(no_size.sum())} image(s) a width or height below one pixel",
        examples=tuple(table.file_names[i] for i in np.flatnonzero(no_size)[:MAX_EXAMPLES]),
        remedy="write the true size of the image",
    )


def _box_findings(table: AnnotationTable, split: str) -> Iterable[Finding]:
    name = table.path.name
    not_finite = ~np.isfinite(table.boxes_xywh).all(axis=1)
    repaired = repair_boxes(table)
    for severity, code, faulty, what, remedy in (
        ("error", "box-not-finite", not_finite, "that are not finite numbers", "correct or remove them"),
        (
            "warning",
            "box-outside",
            repaired.clipped,
            "that reach outside their image",
            "they are clipped to the image before use",
        ),
        (
            "warning",
            "box-without-area",
            repaired.dropped & ~not_finite,
            f"with a side below {MIN_SIDE_PX} pixels",
            "they are left out before use",
        ),
    ):
        yield Finding(
            severity="error" if severity == "error" else "warning",
            code=code,
            split=split,
            count=int(faulty.sum()),
            message=f"{name} has {int(faulty.sum())} box(es) {what}",
            examples=tuple(
                f"annotation {table.box_ids[i]} of image {table.box_image_ids[i]}: {table.boxes_xywh[i].tolist()}"
                for i in np.flatnonzero(faulty)[:MAX_EXAMPLES]
            ),
            remedy=remedy,
        )


def _repeated(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts > 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedBoxes:
    """Boxes inside their images, and which of them were changed or must go."""

    boxes_xywh: Float64Array  # (B, 4) pixels
    boxes_ltrb: Float32Array  # (B, 4) relative to the image, within [0, 1]
    clipped: BoolArray  # (B,)
    dropped: BoolArray  # (B,)
    image_rows: Int64Array  # (B,) row of the box's image in the table, -1 if it has none


def repair_boxes(table: AnnotationTable) -> RepairedBoxes:
    """Clip every box to its image, and mark those that have no area left.

    The arithmetic is float32, in DALI's order of steps: right = left + width, then divided by the image's width. A
    box is clipped until that result lies within [0, 1]; a thousandth of a pixel more stops `random_bbox_crop`.
    """
    image_rows = rows_of(table.box_image_ids, table.image_ids)
    has_image = image_rows >= 0
    sizes_wh = np.ones((len(image_rows), 2), np.float32)
    sizes_wh[has_image] = table.sizes_wh[image_rows[has_image]]
    with np.errstate(invalid="ignore", over="ignore"):
        start = table.boxes_xywh[:, :2].astype(np.float32)
        extent = table.boxes_xywh[:, 2:].astype(np.float32)
        end = start + extent
        outside = ((start < 0) | (end > sizes_wh)).any(axis=1) & (extent > 0).all(axis=1) & has_image
        inner_start = np.clip(start, 0, sizes_wh)
        inner_extent = np.clip(end, 0, sizes_wh) - inner_start
        while (excess := inner_start + inner_extent > sizes_wh).any():
            inner_extent = np.where(excess, np.nextafter(inner_extent, np.float32(-np.inf)), inner_extent)
        boxes_xywh = table.boxes_xywh.copy()
        boxes_xywh[outside] = np.concatenate([inner_start, inner_extent], axis=1)[outside]
        boxes_ltrb = np.concatenate([inner_start / sizes_wh, (inner_start + inner_extent) / sizes_wh], axis=1)
        dropped = ~(inner_extent >= np.float32(MIN_SIDE_PX)).all(axis=1)
    return RepairedBoxes(
        boxes_xywh=boxes_xywh,
        boxes_ltrb=boxes_ltrb,
        clipped=outside & ~dropped,
        dropped=dropped,
        image_rows=image_rows,
    )


def rows_of(ids: Int64Array, known_ids: Int64Array) -> Int64Array:
    """For each id its row in `known_ids`, -1 where there is none."""
    if not len(known_ids):
        return np.full(len(ids), -1, np.int64)
    order = np.argsort(known_ids, kind="stable")
    position = np.minimum(np.searchsorted(known_ids, ids, sorter=order), len(known_ids) - 1)
    rows = order[position]
    return np.where(known_ids[rows] == ids, rows, -1).astype(np.int64)
