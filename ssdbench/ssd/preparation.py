"""Prepares a data set for the pipelines: checks, repairs and caches its annotations.

What is cached is used again only if it is whole and still describes the data set. Each time the annotation files are
read for their SHA-256, and name, size and time of modification of every image are compared: about two seconds for the
118,287 images of COCO. An image whose bytes changed while its size and time stayed the same goes unnoticed here;
`ssdbench data verify` decodes every image.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.atomic import atomic_folder
from ssdbench.compatibility import without_suffix, zip_equal
from ssdbench.errors import DataError
from ssdbench.ssd.annotations import AnnotationTable, annotations_digest, read_annotations
from ssdbench.ssd.arrays import Int64Array
from ssdbench.ssd.coco import (
    PREPARED,
    PREPARED_VERSION,
    SPLITS,
    Prepared,
    PreparedSplit,
    annotation_path,
    document_digest,
    image_root,
    load_columns,
    load_prepared,
    require_whole,
)
from ssdbench.ssd.file_names import ImageFolder, stamp
from ssdbench.ssd.findings import Finding, annotation_findings, category_findings, image_findings
from ssdbench.ssd.images import ImageState, Progress, inspect_images
from ssdbench.ssd.repair import RepairedBoxes, repair_boxes, rows_of

_DIGESTS = ("source_digest", "annotations_digest", "columns_digest")


def prepare(
    directory: Path, cache: Path, progress: Progress, *, splits: Sequence[str] = SPLITS, follow_links: bool = False
) -> Prepared:
    """Check the splits of `directory`, repair what can be repaired, and write clean files to `cache`, once.

    A damaged cache is written anew. Raises `DataError` with one sentence for the first fault that cannot be repaired.
    """
    directory = directory.resolve()
    _require_layout(directory, splits)
    digests = {split: annotations_digest(annotation_path(directory, split)) for split in splits}
    cache, key = cache.resolve(), _key(directory, digests, follow_links=follow_links)
    if (found := _find(cache, key)) is not None:
        return found
    tables = _read(directory, splits, digests, progress)
    names = {split: table.file_names for split, table in tables.items()}
    target = cache / f"{key}-{_stamp(directory, names)}"
    try:
        with atomic_folder(target) as part:
            _write_prepared(directory, tables, part, target, follow_links, progress)
            if _whole(target) is None:
                _remove(target)
    except OSError:
        if _whole(target) is None:  # otherwise another process was first, with the same content
            raise
    return load_prepared(target / PREPARED)


def _require_layout(directory: Path, splits: Sequence[str]) -> None:
    for split in splits:
        for path in (annotation_path(directory, split), image_root(directory, split)):
            if not path.exists():
                needed = ", ".join(["annotations/", *(f"{name}2017/" for name in splits[:-1])])
                raise DataError(
                    f"{path} does not exist: give a directory with {needed} and {splits[-1]}2017/, or make "
                    "one with `ssdbench data synth`."
                )
    for split in splits:
        if not image_root(directory, split).is_dir():
            raise DataError(f"{image_root(directory, split)} is not a folder: put the images there.")


def _key(directory: Path, digests: Mapping[str, str], *, follow_links: bool) -> str:
    """A key of the place and the content of the annotation files."""
    facts = [f"version {PREPARED_VERSION}, by content", str(directory), *map("{0[0]} {0[1]}".format, digests.items())]
    facts += ["links are followed"] if follow_links else []
    return hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _find(cache: Path, key: str) -> Prepared | None:
    """What was prepared from these annotations and from the images as they are now; None if nothing sound is there."""
    for path in sorted(cache.glob(f"{key}-*/{PREPARED}")):
        prepared = _whole(path.parent) if not path.parent.suffix else None  # .part and .damaged are nobody's any more
        if prepared is None:
            continue
        names = {split.name: load_columns(split).file_names for split in prepared.splits.values()}
        directory = next(iter(prepared.splits.values())).image_root.parent
        target = cache / f"{key}-{_stamp(directory, names)}"  # equal annotations have equal names
        found = prepared if target == path.parent else _whole(target)
        return replace(found, cache_hit=True) if found is not None else None
    return None


def _whole(folder: Path) -> Prepared | None:
    """The prepared data in a folder; None if a file is missing or damaged."""
    with suppress(DataError):
        prepared = load_prepared(folder / PREPARED)
        for split in prepared.splits.values():
            require_whole(split)
            load_columns(split)
        return prepared
    return None


def _remove(folder: Path) -> None:
    """Remove a folder; nobody sees it half removed."""
    gone = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.damaged")
    with suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone)


def _stamp(directory: Path, names: Mapping[str, Sequence[str]]) -> str:
    stamps = [stamp(image_root(directory, split), file_names) for split, file_names in names.items()]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:20]


def _read(
    directory: Path, splits: Sequence[str], digests: Mapping[str, str], progress: Progress
) -> dict[str, AnnotationTable]:
    tables = {}
    for done, split in enumerate(splits, start=1):
        table = read_annotations(annotation_path(directory, split))
        if table.digest != digests[split]:
            raise DataError(f"{table.path} changed while it was read: start again when it is written.")
        _refuse(directory, annotation_findings(table, split))
        tables[split] = table
        progress("reading annotations", done, len(splits))
    _refuse(directory, category_findings(tables))
    return tables


def _write_prepared(
    directory: Path, tables: Mapping[str, AnnotationTable], part: Path, target: Path, follow_links: bool,
    progress: Progress,
) -> None:  # fmt: skip
    splits, findings = [], []
    for split, table in tables.items():
        root = image_root(directory, split)
        states = inspect_images(
            ImageFolder(root=root, data_set=directory, follow_links=follow_links),
            table.file_names,
            [(w, h) for w, h in table.sizes_wh.tolist()],
            decode=False,
            progress=progress,
            phase=f"checking {split} images",
        )
        faults = image_findings(states, table, split)
        _refuse(directory, faults)
        findings += [f for f in (*annotation_findings(table, split), *faults) if f.severity == "warning"]
        splits.append(_write_split(split, table, root, states, part, target))
    (part / PREPARED).write_text(json.dumps(_document(splits, findings)), encoding="utf-8")


def _document(splits: Sequence[PreparedSplit], findings: Sequence[Finding]) -> dict[str, Any]:
    document = {
        "version": PREPARED_VERSION,
        "splits": {split.name: _fields(split) for split in splits},
        "digests": {
            split.name: {without_suffix(name, "_digest"): getattr(split, name) for name in _DIGESTS} for split in splits
        },
        "warnings": [asdict(finding) for finding in findings],
    }
    document = json.loads(json.dumps(document))  # as it will be read: tuples become lists
    return {**document, "digest": document_digest(document)}


def _fields(split: PreparedSplit) -> dict[str, Any]:
    fields = {key: str(v) if isinstance(v, Path) else v for key, v in asdict(split).items()}
    return {key: value for key, value in fields.items() if key not in _DIGESTS}


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
        source_digest=table.digest,
        annotations_digest=hashlib.sha256(clean).hexdigest(),
        columns_digest=annotations_digest(part / f"{name}.npz"),
    )


def _clean_annotations(table: AnnotationTable, repaired: RepairedBoxes, kept: Int64Array, labels: Int64Array) -> bytes:
    document = {
        "images": [
            {"id": row, "file_name": file_name, "width": width, "height": height}
            for row, (file_name, (width, height)) in enumerate(zip_equal(table.file_names, table.sizes_wh.tolist()))
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": label, "bbox": bbox, "iscrowd": int(crowd)}
            for number, (image, label, bbox, crowd) in enumerate(
                zip_equal(
                    repaired.image_rows[kept].tolist(),
                    labels.tolist(),
                    repaired.boxes_xywh[kept].tolist(),
                    table.crowd[kept].tolist(),
                )
            )
        ],
        "categories": [{"id": row + 1, "name": name} for row, name in enumerate(table.category_names)],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
