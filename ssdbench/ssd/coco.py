"""Prepares a data set in the layout of COCO 2017 for the pipelines: checks, repairs and caches its annotations.

    DIR/annotations/instances_{train,val}2017.json, DIR/train2017/*.jpg, DIR/val2017/*.jpg

For each split `prepare` writes a clean annotation file that no reader can misread (image ids 0..I-1, category ids 1..C
in the order of the file, every box inside its image and with an area), and the same data in columns. Boxes marked
`iscrowd` are kept, as in the published pipeline.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.atomic import atomic_folder
from ssdbench.errors import DataError
from ssdbench.ssd.annotations import AnnotationTable, Float32Array, Int64Array, read_annotations
from ssdbench.ssd.findings import Finding, annotation_findings, category_findings, image_findings
from ssdbench.ssd.images import ImageState, Progress, inspect_images
from ssdbench.ssd.repair import RepairedBoxes, repair_boxes, rows_of

SPLITS = ("train", "val")
PREPARED_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSplit:
    """A prepared split: counts, identity, and the paths of its clean files."""

    name: str
    image_root: Path
    source_annotations: Path  # the user's own file, for evaluation with the original ids
    annotations: Path  # clean COCO file, for DALI
    annotations_bytes: int  # to notice a truncated file, which readers take for a small data set
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A prepared data set."""

    path: Path  # of prepared.json
    train: PreparedSplit
    val: PreparedSplit
    warnings: tuple[Finding, ...]
    cache_hit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The images (I) of a prepared split and their boxes (B), in the order of the clean annotation file."""

    image_ids: Int64Array  # (I,) original ids
    file_names: tuple[str, ...]  # (I,) relative to `PreparedSplit.image_root`
    sizes_hw: Int64Array  # (I, 2) pixels
    first_box: Int64Array  # (I + 1,): the boxes of image i are rows first_box[i] to first_box[i + 1]
    boxes_ltrb: Float32Array  # (B, 4) relative to the image
    labels: Int64Array  # (B,) 1..C


def prepare(directory: Path, cache: Path, progress: Progress) -> Prepared:
    """Check `directory`, repair what can be repaired, and write clean files to `cache`, once for each content.

    Raises `DataError` with one sentence for the first fault that cannot be repaired.
    """
    directory = directory.resolve()
    target = cache.resolve() / _key(directory)
    found = target / "prepared.json"
    if found.is_file():
        return load_prepared(found, cache_hit=True)
    try:
        with atomic_folder(target) as part:
            _write_prepared(directory, part, target, progress)
    except OSError:
        if not found.is_file():  # otherwise another process was first, with the same content
            raise
    return load_prepared(found)


def load_prepared(path: Path, *, cache_hit: bool = False) -> Prepared:
    """Read what `prepare` wrote; `DataError` if `path` is not such a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != PREPARED_VERSION:
            raise DataError(f"{path} has version {document['version']}: delete it and prepare the data again.")
        train, val = (_split_from_json(document["splits"][name]) for name in SPLITS)
        findings = tuple(
            Finding(**{**finding, "examples": tuple(finding["examples"])}) for finding in document["warnings"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a prepared data set ({error}): prepare the data again.") from error
    return Prepared(path=path, train=train, val=val, warnings=findings, cache_hit=cache_hit)


def load_columns(split: PreparedSplit) -> Columns:
    """Read the images and boxes of a prepared split."""
    try:
        with np.load(split.columns, allow_pickle=False) as arrays:
            return Columns(
                image_ids=arrays["image_ids"],
                file_names=tuple(arrays["file_names"].tolist()),
                sizes_hw=arrays["sizes_hw"],
                first_box=arrays["first_box"],
                boxes_ltrb=arrays["boxes_ltrb"],
                labels=arrays["labels"],
            )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{split.columns} cannot be read ({error}): prepare the data again.") from error


def require_whole(split: PreparedSplit) -> None:
    """Raise DataError if the clean annotation file was truncated or changed after it was written."""
    size = split.annotations.stat().st_size if split.annotations.is_file() else 0
    if size != split.annotations_bytes:
        raise DataError(
            f"{split.annotations} has {size} bytes where {split.annotations_bytes} were written: delete its directory "
            "and prepare the data again."
        )


def annotation_path(directory: Path, split: str) -> Path:
    """Path of the annotations of a split."""
    return directory / "annotations" / f"instances_{split}2017.json"


def image_root(directory: Path, split: str) -> Path:
    """Folder of the images of a split."""
    return directory / f"{split}2017"


def _key(directory: Path) -> str:
    """A key that changes when an annotation file or the list of files in an image folder changes."""
    facts = [f"version {PREPARED_VERSION}"]
    for split in SPLITS:
        for path in (annotation_path(directory, split), image_root(directory, split)):
            if not path.exists():
                raise DataError(
                    f"{path} does not exist: give a directory with annotations/, train2017/ and val2017/, or make "
                    "one with `ssdbench data synth`."
                )
            status = path.stat()
            size = status.st_size if path.is_file() else 0
            facts.append(f"{path} {size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:20]


def _write_prepared(directory: Path, part: Path, target: Path, progress: Progress) -> None:
    tables = {}
    for done, split in enumerate(SPLITS, start=1):
        tables[split] = read_annotations(annotation_path(directory, split))
        _refuse(directory, annotation_findings(tables[split], split))
        progress("reading annotations", done, len(SPLITS))
    _refuse(directory, category_findings(tables))
    splits, findings = {}, []
    for split, table in tables.items():
        root = image_root(directory, split)
        states = inspect_images(
            root,
            table.file_names,
            [(w, h) for w, h in table.sizes_wh.tolist()],
            decode=False,
            progress=progress,
            phase=f"checking {split} images",
        )
        faults = image_findings(states, table, split)
        _refuse(directory, faults)
        findings += [f for f in (*annotation_findings(table, split), *faults) if f.severity == "warning"]
        prepared = _write_split(split, table, root, states, part, target)
        splits[split] = {key: str(v) if isinstance(v, Path) else v for key, v in asdict(prepared).items()}
    document = {"version": PREPARED_VERSION, "splits": splits, "warnings": [asdict(f) for f in findings]}
    (part / "prepared.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _refuse(directory: Path, findings: list[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" There is more: `ssdbench data verify {directory}` lists it." if len(errors) > 1 else ""
        raise DataError(f"{errors[0].sentence()}{more}")


def _write_split(
    name: str, table: AnnotationTable, root: Path, states: list[ImageState], part: Path, target: Path
) -> PreparedSplit:
    repaired = repair_boxes(table)
    kept = np.flatnonzero(~repaired.dropped)
    kept = kept[np.argsort(repaired.image_rows[kept], kind="stable")]
    if not len(kept):
        raise DataError(f"{table.path} has no box with an area inside an image: there is nothing to measure with.")
    labels = 1 + rows_of(table.box_category_ids[kept], table.category_ids)
    boxes_in_image = np.bincount(repaired.image_rows[kept], minlength=len(table.image_ids))
    clean = _clean_annotations(table, repaired, kept, labels)
    (part / f"{name}.json").write_bytes(clean)
    np.savez(
        part / f"{name}.npz",
        image_ids=table.image_ids,
        file_names=np.asarray(table.file_names, np.str_),
        sizes_hw=table.sizes_wh[:, ::-1],
        first_box=np.concatenate([[0], np.cumsum(boxes_in_image)]),
        boxes_ltrb=repaired.boxes_ltrb[kept],
        labels=labels,
    )
    file_bytes = np.array([state.file_bytes for state in states], np.int64)
    return PreparedSplit(
        name=name,
        image_root=root,
        source_annotations=table.path,
        annotations=target / f"{name}.json",
        annotations_bytes=len(clean),
        columns=target / f"{name}.npz",
        images=len(table.image_ids),
        annotated_images=int(np.count_nonzero(boxes_in_image)),
        boxes=len(kept),
        crowd_boxes=int(table.crowd[kept].sum()),
        category_ids=tuple(table.category_ids.tolist()),
        category_names=table.category_names,
        image_bytes=int(file_bytes.sum()),
        clipped_boxes=int(repaired.clipped.sum()),
        dropped_boxes=int(repaired.dropped.sum()),
        fingerprint=hashlib.sha256(clean + file_bytes.tobytes()).hexdigest(),
    )


def _clean_annotations(table: AnnotationTable, repaired: RepairedBoxes, kept: Int64Array, labels: Int64Array) -> bytes:
    document = {
        "images": [
            {"id": row, "file_name": file_name, "width": width, "height": height}
            for row, (file_name, (width, height)) in enumerate(
                zip(table.file_names, table.sizes_wh.tolist(), strict=True)
            )
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": label, "bbox": bbox, "iscrowd": int(crowd)}
            for number, (image, label, bbox, crowd) in enumerate(
                zip(
                    repaired.image_rows[kept].tolist(),
                    labels.tolist(),
                    repaired.boxes_xywh[kept].tolist(),
                    table.crowd[kept].tolist(),
                    strict=True,
                )
            )
        ],
        "categories": [{"id": row + 1, "name": name} for row, name in enumerate(table.category_names)],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _split_from_json(fields: dict[str, Any]) -> PreparedSplit:
    paths = {key: Path(fields[key]) for key in ("image_root", "source_annotations", "annotations", "columns")}
    lists = {key: tuple(fields[key]) for key in ("category_ids", "category_names")}
    return PreparedSplit(**{**fields, **paths, **lists})
