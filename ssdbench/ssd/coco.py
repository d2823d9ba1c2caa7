"""A data set in the layout of COCO 2017, prepared for the pipelines: what `preparation` wrote, and how it is read.

    DIR/annotations/instances_{train,val}2017.json, DIR/train2017/*.jpg, DIR/val2017/*.jpg

A prepared split is a clean annotation file that no reader can misread (image ids 0..I-1, category ids 1..C in the order
of the file, every box inside its image and with an area), and the same data in columns. Boxes marked `iscrowd` are
kept, as in the published pipeline. Nothing is read whose SHA-256 is not the one that was written.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd.annotations import annotations_digest
from ssdbench.ssd.arrays import Float32Array, Int64Array
from ssdbench.ssd.findings import Finding, same_name

SPLITS = ("train", "val")
PREPARED = "prepared.json"
PREPARED_VERSION = 1
_AGAIN = "start the command again, which prepares the data again"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSplit:
    """A prepared split: counts, identity, and the paths of its clean files."""

    name: str
    image_root: Path
    source_annotations: Path  # the user's own file, for evaluation with the original boxes
    annotations: Path  # clean COCO file, for DALI
    annotations_bytes: int
    columns: Path  # the same in columns, see `Columns`
    images: int
    annotated_images: int
    boxes: int
    crowd_boxes: int
    category_ids: tuple[int, ...]  # original id of label 1, 2, ...
    category_names: tuple[str, ...]
    image_bytes: int  # all JPEG files together
    clipped_boxes: int
    dropped_boxes: int
    fingerprint: str  # of the clean annotations and the images' file sizes: the identity of the data
    # SHA-256 of each file. They are stored apart from the fields above, which every version of ssdbench reads: an older
    # checkout may be the baseline of a run.
    source_digest: str
    annotations_digest: str
    columns_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A prepared data set: both splits, or only the one that was asked for."""

    path: Path  # of prepared.json
    splits: Mapping[str, PreparedSplit]
    warnings: tuple[Finding, ...]
    cache_hit: bool = False

    @property
    def train(self) -> PreparedSplit:
        """The split to train on; `DataError` if it was not prepared."""
        return self._split("train")

    @property
    def val(self) -> PreparedSplit:
        """The split to validate on; `DataError` if it was not prepared."""
        return self._split("val")

    def _split(self, name: str) -> PreparedSplit:
        if name not in self.splits:
            raise DataError(f"{self.path} has no {name} images: {_AGAIN}.")
        return self.splits[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The images (I) of a prepared split and their boxes (B), in the order of the clean annotation file."""

    image_ids: Int64Array  # (I,) original ids
    file_names: tuple[str, ...]  # (I,) relative to `PreparedSplit.image_root`
    sizes_hw: Int64Array  # (I, 2) pixels
    first_box: Int64Array  # (I + 1,): the boxes of image i are rows first_box[i] to first_box[i + 1]
    boxes_ltrb: Float32Array  # (B, 4) relative to the image
    labels: Int64Array  # (B,) 1..C


def load_prepared(path: Path, *, cache_hit: bool = False) -> Prepared:
    """Read what `preparation.prepare` wrote; `DataError` if `path` is not such a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != PREPARED_VERSION:
            raise DataError(f"{path} has version {document['version']}: delete it and prepare the data again.")
        if document.pop("digest") != document_digest(document):
            raise ValueError("its SHA-256 is not the one that was written")
        splits = {
            name: _split_from_json(fields, document["digests"][name]) for name, fields in document["splits"].items()
        }
        findings = tuple(
            Finding(**{**finding, "examples": tuple(finding["examples"])}) for finding in document["warnings"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a prepared data set ({error}): {_AGAIN}.") from error
    return Prepared(path=path, splits=splits, warnings=findings, cache_hit=cache_hit)


def document_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the content of prepared.json, without the digest itself."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def load_columns(split: PreparedSplit) -> Columns:
    """Read the images and boxes of a prepared split; `DataError` if the file is missing or damaged."""
    try:
        content = split.columns.read_bytes()
        if hashlib.sha256(content).hexdigest() != split.columns_digest:
            raise ValueError("its SHA-256 is not the one that was written")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Columns(
                image_ids=arrays["image_ids"],
                file_names=tuple(arrays["file_names"].tolist()),
                sizes_hw=arrays["sizes_hw"],
                first_box=arrays["first_box"],
                boxes_ltrb=arrays["boxes_ltrb"],
                labels=arrays["labels"],
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{split.columns} cannot be read ({error}): {_AGAIN}.") from error


def require_whole(split: PreparedSplit) -> None:
    """Raise DataError if the clean annotation file was truncated or changed after it was written.

    Readers take a truncated file for a small data set.
    """
    if annotations_digest(split.annotations) != split.annotations_digest:
        raise DataError(f"{split.annotations} is damaged (its SHA-256 is not the one that was written): {_AGAIN}.")


def require_same_labels(split: PreparedSplit, label_map: Mapping[Any, Any] | None, trained: Path) -> None:
    """Raise DataError if a checkpoint gives the labels of a split other names: it learned other categories.

    Args:
        split: what is evaluated.
        label_map: names by label, 0 is the background; None if the checkpoint has none. One of another form is ignored.
        trained: the checkpoint, for the message.
    """
    known = {label: name for label, name in (label_map or {}).items() if type(label) is int and isinstance(name, str)}
    if not known or len(known) < len(label_map or {}):
        return
    differing = [
        f"label {label} is {known.get(label, 'unknown')!r} there and {name!r} here"
        for label, name in enumerate(split.category_names, start=1)
        if not same_name(known.get(label, ""), name)
    ]
    if differing:
        raise DataError(
            f"{trained} was trained on other categories than {split.source_annotations} lists ({differing[0]}; "
            f"{len(differing)} differ): give the annotations that it was trained with."
        )


def annotation_path(directory: Path, split: str) -> Path:
    """Path of the annotations of a split."""
    return directory / "annotations" / f"instances_{split}2017.json"


def image_root(directory: Path, split: str) -> Path:
    """Folder of the images of a split."""
    return directory / f"{split}2017"


def _split_from_json(fields: dict[str, Any], digests: dict[str, str]) -> PreparedSplit:
    paths = {key: Path(fields[key]) for key in ("image_root", "source_annotations", "annotations", "columns")}
    lists = {key: tuple(fields[key]) for key in ("category_ids", "category_names")}
    named = {f"{name}_digest": digest for name, digest in digests.items()}
    return PreparedSplit(**{**fields, **paths, **lists, **named})
