"""The full check of a data set: checks every annotation, decodes every image, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd.annotations import AnnotationFileError, AnnotationTable, read_annotations
from ssdbench.ssd.coco import SPLITS, annotation_path, image_root
from ssdbench.ssd.file_names import ImageFolder
from ssdbench.ssd.findings import Finding, annotation_findings, category_findings, image_findings
from ssdbench.ssd.images import Progress, inspect_images
from ssdbench.ssd.repair import repair_boxes

SMALL_PX, MEDIUM_PX = 32, 96  # COCO: a small object's area is below 32^2, a medium one's below 96^2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSummary:
    """Statistics of a split."""

    name: str
    images: int
    annotated_images: int
    boxes: int
    crowd_boxes: int
    categories: int
    category_ids: str  # such as "1..90, with gaps"
    median_size_wh: tuple[int, int]
    boxes_per_image_mean: float
    boxes_per_image_median: float
    boxes_per_image_max: int
    small_medium_large: tuple[float, float, float]  # fractions of the boxes, by the object's area
    median_file_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """The result of `verify`."""

    directory: str
    errors: int  # number of kinds of fault, not of occurrences
    warnings: int
    splits: dict[str, SplitSummary]  # a split whose annotation file cannot be read is absent
    findings: tuple[Finding, ...]


def verify(directory: Path, progress: Progress, *, follow_links: bool = False) -> VerificationReport:
    """Check the data set in `directory`; faults become findings, only a missing directory raises `DataError`."""
    directory = directory.resolve()
    if not directory.is_dir():
        raise DataError(
            f"{directory} is not a directory: give one with annotations/, train2017/ and val2017/, or make one "
            "with `ssdbench data synth`."
        )
    tables: dict[str, AnnotationTable] = {}
    findings: list[Finding] = []
    for split in SPLITS:
        try:
            tables[split] = read_annotations(annotation_path(directory, split))
        except AnnotationFileError as error:
            findings.append(_unreadable(split, error))
    summaries = {}
    for split, table in tables.items():
        findings += annotation_findings(table, split)
        states = inspect_images(
            ImageFolder(root=image_root(directory, split), data_set=directory, follow_links=follow_links),
            table.file_names,
            [(w, h) for w, h in table.sizes_wh.tolist()],
            decode=True,
            progress=progress,
            phase=f"decoding {split} images",
        )
        findings += image_findings(states, table, split)
        summaries[split] = _summary(split, table, [state.file_bytes for state in states])
    if len(tables) == len(SPLITS):
        findings += category_findings(tables)
    return VerificationReport(
        directory=str(directory),
        errors=_count(findings, "error"),
        warnings=_count(findings, "warning"),
        splits=summaries,
        findings=tuple(findings),
    )


def _unreadable(split: str, error: AnnotationFileError) -> Finding:
    return Finding(
        severity="error",
        code="annotations-unreadable",
        split=split,
        count=1,
        message=error.fault,
        examples=(),
        remedy=error.remedy,
    )


def _count(findings: Iterable[Finding], severity: str) -> int:
    return sum(finding.severity == severity for finding in findings)


def _summary(split: str, table: AnnotationTable, file_bytes: list[int]) -> SplitSummary:
    repaired = repair_boxes(table)
    kept = ~repaired.dropped & (repaired.image_rows >= 0)
    boxes_in_image = np.bincount(repaired.image_rows[kept], minlength=len(table.image_ids))
    areas = repaired.areas[kept]
    shares = np.histogram(areas, [0, SMALL_PX**2, MEDIUM_PX**2, np.inf])[0] / max(1, len(areas))
    ids = table.category_ids
    return SplitSummary(
        name=split,
        images=len(table.image_ids),
        annotated_images=int(np.count_nonzero(boxes_in_image)),
        boxes=len(areas),
        crowd_boxes=int(table.crowd[kept].sum()),
        categories=len(ids),
        category_ids=_id_range(ids.tolist()),
        median_size_wh=(_median(table.sizes_wh[:, 0].tolist()), _median(table.sizes_wh[:, 1].tolist())),
        boxes_per_image_mean=round(float(np.mean(boxes_in_image)) if len(boxes_in_image) else 0.0, 2),
        boxes_per_image_median=float(_median(boxes_in_image.tolist())),
        boxes_per_image_max=int(boxes_in_image.max(initial=0)),
        small_medium_large=tuple(round(float(share), 3) for share in shares),  # type: ignore[arg-type]
        median_file_bytes=_median(file_bytes),
    )


def _median(values: list[int]) -> int:
    return int(np.median(values)) if values else 0


def _id_range(ids: list[int]) -> str:
    if not ids:
        return "none"
    gaps = ", with gaps" if max(ids) - min(ids) + 1 != len(set(ids)) else ""
    return f"{min(ids)}..{max(ids)}{gaps}"
