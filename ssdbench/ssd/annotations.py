"""Reads a COCO annotation file into columns.

DALI's COCO reader silently accepts most faults of such a file: a truncated file makes the epoch shorter, a box with an
unknown category becomes background, a duplicate image makes the epoch longer. So the file is read and checked here, and
DALI gets a clean copy of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssdbench.errors import DataError

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class AnnotationFileError(DataError):
    """Raised for an annotation file that cannot be read at all."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}: {remedy}.")
        self.fault = fault
        self.remedy = remedy


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
    areas: Float64Array  # (B,) square pixels of the object, or of its box if the file has no area
    crowd: BoolArray  # (B,)


def read_annotations(path: Path) -> AnnotationTable:
    """Read a COCO instances file; `AnnotationFileError` if it is missing, truncated or not such a file."""
    document = _read_json(path)
    images = _Section(path, document, "images")
    categories = _Section(path, document, "categories")
    boxes = _Section(path, document, "annotations")
    return AnnotationTable(
        path=path,
        image_ids=images.integers(lambda row: row["id"]),
        file_names=images.texts(lambda row: row["file_name"]),
        sizes_wh=images.integers(lambda row: (row["width"], row["height"])).reshape(-1, 2),
        category_ids=categories.integers(lambda row: row["id"]),
        category_names=categories.texts(lambda row: row["name"]),
        box_ids=boxes.integers(lambda row: row["id"]),
        box_image_ids=boxes.integers(lambda row: row["image_id"]),
        box_category_ids=boxes.integers(lambda row: row["category_id"]),
        boxes_xywh=boxes.numbers(lambda row: _four(row["bbox"])).reshape(-1, 4),
        areas=boxes.numbers(lambda row: row.get("area", row["bbox"][2] * row["bbox"][3])),
        crowd=boxes.integers(lambda row: row.get("iscrowd", 0)).astype(np.bool_),
    )


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AnnotationFileError(
            f"{path} cannot be read ({error.strerror})", "give a directory with annotations/, train2017/ and val2017/"
        ) from error
    try:
        document = json.loads(content)
    except ValueError as error:
        raise AnnotationFileError(
            f"{path} with {len(content)} bytes is truncated or damaged ({error})", "download or write it again"
        ) from error
    if not isinstance(document, dict):
        raise AnnotationFileError(f"{path} is not a COCO instances file", "download it again")
    return document


class _Section:
    """One list of the file, whose entries become columns."""

    def __init__(self, path: Path, document: Mapping[str, Any], name: str) -> None:
        rows = document.get(name)
        if not isinstance(rows, list):
            raise AnnotationFileError(
                f"{path} has no list `{name}`, so it is not a COCO instances file", "download it again"
            )
        self._rows = rows
        self._where = f"{path}: in `{name}`, entry"

    def integers(self, get: Callable[[Any], Any]) -> Int64Array:
        return self._column(get, np.int64, "iu")

    def numbers(self, get: Callable[[Any], Any]) -> Float64Array:
        return self._column(get, np.float64, "iuf")

    def texts(self, get: Callable[[Any], Any]) -> tuple[str, ...]:
        return tuple(self._column(get, np.str_, "U").tolist())

    def _column(self, get: Callable[[Any], Any], dtype: npt.DTypeLike, kinds: str) -> npt.NDArray[Any]:
        values: list[Any] = []
        try:
            for row in self._rows:
                values.append(get(row))
            array = np.array(values) if values else np.array([], dtype)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            fault = f"lacks {error}" if isinstance(error, KeyError) else f"is malformed ({error})"
            raise AnnotationFileError(f"{self._where} {len(values)} {fault}", "correct it") from error
        if array.dtype.kind not in kinds:
            raise AnnotationFileError(f"{self._where}s have values of a wrong type ({array.dtype})", "correct them")
        return array.astype(dtype)


def _four(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = bbox
    return x, y, width, height
