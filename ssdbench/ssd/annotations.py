"""Reads a COCO annotation file into columns.

DALI's COCO reader silently accepts most faults of such a file: a truncated file makes the epoch shorter, a box with an
unknown category becomes background, a duplicate image makes the epoch longer. So the file is read and checked here, and
DALI gets a clean copy of it.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd.arrays import BoolArray, Float64Array, Int64Array

BYTES_BEFORE_THE_FIRST_MARK = 1024
MAX_SHOWN = 60  # characters of a wrong value
_REQUIRED = object()


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
    digest: str = ""  # SHA-256 of the file


def read_annotations(path: Path) -> AnnotationTable:
    """Read a COCO instances file; `AnnotationFileError` if it is missing, truncated or not such a file.

    UTF-8, UTF-16 and UTF-32 are read, with or without a byte order mark.
    """
    document, digest = _read_json(path)
    images = _Section(path, document, "images")
    categories = _Section(path, document, "categories")
    boxes = _Section(path, document, "annotations")
    boxes_xywh = boxes.boxes("bbox")
    return AnnotationTable(
        path=path,
        image_ids=images.integers("id"),
        file_names=images.texts("file_name"),
        sizes_wh=np.stack([images.integers("width"), images.integers("height")], axis=1),
        category_ids=categories.integers("id"),
        category_names=categories.texts("name"),
        box_ids=boxes.integers("id"),
        box_image_ids=boxes.integers("image_id"),
        box_category_ids=boxes.integers("category_id"),
        boxes_xywh=boxes_xywh,
        areas=_or_of_the_box(boxes.numbers("area", math.nan), boxes.have("area"), boxes_xywh),
        crowd=boxes.flags("iscrowd"),
        digest=digest,
    )


def annotations_digest(path: Path) -> str:
    """SHA-256 of an annotation file; `AnnotationFileError` if it cannot be read."""
    digest = hashlib.sha256()
    try:
        require_regular(path)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def require_regular(path: Path) -> None:
    """Raise AnnotationFileError for anything but a regular file: reading a FIFO waits for ever. OSError if missing."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise AnnotationFileError(f"{path} is not a regular file", "put the annotation file there")


def _unreadable(path: Path, error: OSError) -> AnnotationFileError:
    return AnnotationFileError(
        f"{path} cannot be read ({error.strerror})", "give a directory with annotations/, train2017/ and val2017/"
    )


def _damaged(path: Path, reason: str) -> AnnotationFileError:
    return AnnotationFileError(
        f"{path} with {path.stat().st_size} bytes is truncated or damaged ({reason})", "download or write it again"
    )


def _read_json(path: Path) -> tuple[Mapping[str, Any], str]:
    """The content of the file and its digest, of the same bytes."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            # Gigabytes of zeros would otherwise be read and decoded before they are found to be no JSON.
            beginning = file.read(BYTES_BEFORE_THE_FIRST_MARK)
            if not (b"{" in beginning or b"[" in beginning):
                raise _damaged(path, "it does not begin like JSON")
            file.seek(0)
            content = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "its JSON is nested too deeply" if isinstance(error, RecursionError) else error
        raise _damaged(path, str(reason)) from error
    if not isinstance(document, dict):
        raise AnnotationFileError(f"{path} is not a COCO instances file", "download it again")
    return document, hashlib.sha256(content).hexdigest()


def _or_of_the_box(areas: Float64Array, given: BoolArray, boxes_xywh: Float64Array) -> Float64Array:
    with np.errstate(invalid="ignore", over="ignore"):  # boxes that are not finite are a finding
        return np.where(given, areas, boxes_xywh[:, 2] * boxes_xywh[:, 3])


class _Section:
    """One list of the file, whose entries become columns."""

    def __init__(self, path: Path, document: Mapping[str, Any], name: str) -> None:
        rows = document.get(name)
        if not isinstance(rows, list):
            raise AnnotationFileError(
                f"{path} has no list `{name}`, so it is not a COCO instances file", "download it again"
            )
        self._rows = rows
        self._where = f"{path}: in `{name}`"
        if faulty := [number for number, row in enumerate(rows) if not isinstance(row, dict)]:
            raise self._error(f"entry {faulty[0]} is {_shown(rows[faulty[0]])}, and should be an object", len(faulty))

    def integers(self, key: str) -> Int64Array:
        values = self._typed(key, (int,), "a whole number")
        try:
            return np.array(values, np.int64)
        except OverflowError:
            faulty = [number for number, value in enumerate(values) if not -(2**63) <= value < 2**63]
            raise self._wrong(key, values, faulty, "a whole number below 2^63") from None

    def numbers(self, key: str, default: float) -> Float64Array:
        return self._floats(self._typed(key, (int, float), "a number", default), key)

    def flags(self, key: str) -> BoolArray:
        return np.array(self._typed(key, (int, bool), "0 or 1", 0), np.int64).astype(np.bool_)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._typed(key, (str,), "a text"))

    def have(self, key: str) -> BoolArray:
        return np.array([key in row for row in self._rows], np.bool_)

    def boxes(self, key: str) -> Float64Array:
        """Four numbers of each entry: (B, 4)."""
        values = self._typed(key, (list,), "four numbers")
        flat = list(chain.from_iterable(values))
        if len(flat) == 4 * len(values) and set(map(len, values)) <= {4} and set(map(type, flat)) <= {int, float}:
            return self._floats(flat, key).reshape(-1, 4)
        faulty = [
            number
            for number, value in enumerate(values)
            if len(value) != 4 or not set(map(type, value)) <= {int, float}
        ]
        raise self._wrong(key, values, faulty, "four numbers")

    def _floats(self, values: list[Any], key: str) -> Float64Array:
        try:
            return np.array(values, np.float64)
        except OverflowError:
            raise self._error(f"a `{key}` is beyond the largest number that can be computed with", 1) from None

    def _typed(self, key: str, types: tuple[type, ...], wanted: str, default: Any = _REQUIRED) -> list[Any]:
        if default is _REQUIRED and (faulty := [number for number, row in enumerate(self._rows) if key not in row]):
            raise self._error(f"entry {self._named(faulty[0])} lacks `{key}`", len(faulty))
        values = [row.get(key, default) for row in self._rows]
        if set(map(type, values)) <= {*types}:
            return values
        faulty = [number for number, value in enumerate(values) if type(value) not in types]
        raise self._wrong(key, values, faulty, wanted)

    def _wrong(self, key: str, values: list[Any], faulty: list[int], wanted: str) -> AnnotationFileError:
        first = faulty[0]
        return self._error(
            f"`{key}` of entry {self._named(first)} is {_shown(values[first])}, and should be {wanted}", len(faulty)
        )

    def _named(self, number: int) -> str:
        identity = self._rows[number].get("id")
        return f"{number} (id {identity})" if type(identity) is int and identity < 2**63 else str(number)

    def _error(self, fault: str, count: int) -> AnnotationFileError:
        more = f", and {count - 1} more like it" if count > 1 else ""
        return AnnotationFileError(f"{self._where}, {fault}{more}", "correct it")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or lists within lists
        text = type(value).__name__
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
