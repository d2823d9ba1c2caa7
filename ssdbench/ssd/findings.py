"""Findings about a data set: faults in its annotations and image files, and their remedies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.ssd.annotations import AnnotationTable
from ssdbench.ssd.arrays import AnyArray, BoolArray, Int64Array
from ssdbench.ssd.file_names import name_fault
from ssdbench.ssd.images import ImageState
from ssdbench.ssd.repair import MIN_SIDE_PX, RepairedBoxes, repair_boxes, rows_of

Severity = Literal["error", "warning"]  # an error prevents a measurement; a warning is repaired or harmless

MAX_CATEGORIES = 80  # SSD300's class head has 81 outputs, one of them the background
MAX_EXAMPLES = 5
MAX_TEXT = 80  # characters of a name from the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of fault in a split: how often, examples, and the remedy."""

    severity: Severity
    code: str
    split: str
    count: int
    message: str
    examples: tuple[str, ...]  # at most five, each names a file or an id
    remedy: str

    def sentence(self) -> str:
        """The finding as one sentence for an error message."""
        more = ", ..." if self.count > len(self.examples) else ""
        where = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return f"{self.message}{where}: {self.remedy}."


def annotation_findings(table: AnnotationTable, split: str) -> list[Finding]:
    """All faults that the annotation file shows without looking at the images."""
    report = _Reporter(table.path.name, split)
    candidates = (
        *_names(table, report),
        *_structure(table, report),
        *_references(table, report),
        *_boxes(table, report),
    )
    return [finding for finding in candidates if finding.count]


def category_findings(tables: Mapping[str, AnnotationTable]) -> list[Finding]:
    """Differences between the categories of the splits, which would give a label two meanings."""
    first, *others = tables.items()
    found = []
    for split, table in others:
        report = _Reporter(table.path.name, split)
        if table.category_ids.tolist() != first[1].category_ids.tolist():
            what = f"lists other categories, or in another order, than {first[1].path.name}"
            differing: list[str] = []
        else:
            what = f"gives categories other names than {first[1].path.name}"
            differing = [
                f"id {identity}: {shown(name)} for {shown(other)}"
                for identity, name, other in zip_equal(
                    table.category_ids.tolist(), table.category_names, first[1].category_names
                )
                if not same_name(name, other)
            ]
            if not differing:
                continue
        remedy = "labels follow that order: write both files with the same categories"
        found.append(report.of("error", "categories-differ", differing or ["categories"], what, remedy,
                               str if differing else None))  # fmt: skip
    return found


def same_name(one: str, other: str) -> bool:
    """Whether two names mean the same category: case and blanks do not matter."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def image_findings(states: Sequence[ImageState], table: AnnotationTable, split: str) -> list[Finding]:
    """Faults of the image files, one finding per kind of fault."""
    report = _Reporter(table.path.name, split)
    kinds: tuple[tuple[Severity, str, str, str], ...] = (
        ("error", "image-missing", "are missing", "download them again or correct the annotation file"),
        ("error", "image-outside", "are outside the data set, behind a link",
         "copy them into it, or allow such links with --follow-links"),
        ("error", "image-unreadable", "cannot be decoded", "download them again"),
        ("error", "image-format", "are in a format that not every pipeline reads",
         "convert them to JPEG, or to PNG with 8 bits per channel"),
        ("error", "image-size-differs", "do not have the annotated size", "restore the original images"),
        ("warning", "image-rotated", "carry an EXIF rotation",
         "it is ignored, and boxes refer to the pixels as stored: check that they were annotated that way"),
    )  # fmt: skip
    findings = []
    for severity, code, what, remedy in kinds:
        faulty = [
            f"{shown(state.file_name)}{state.detail and f': {state.detail}'}" for state in states if state.fault == code
        ]
        what = f"lists {len(faulty)} image(s) that {what}"
        findings.append(report.of(severity, code, faulty, what, remedy))
    return [finding for finding in findings if finding.count]


def shown(name: str) -> str:
    """A name from the file, short enough for a sentence and of characters that every encoding of Unicode has."""
    text = name if len(name) <= MAX_TEXT else f"{name[:MAX_TEXT]}..."
    return text.encode("utf-8", "backslashreplace").decode()


class _Reporter:
    """Builds the findings about one annotation file."""

    def __init__(self, file_name: str, split: str) -> None:
        self._file_name = file_name
        self.split = split

    def of(
        self,
        severity: Severity,
        code: str,
        faulty: Sequence[Any] | AnyArray,
        what: str,
        remedy: str,
        show: Callable[[Any], str] | None = str,
    ) -> Finding:
        return Finding(
            severity=severity,
            code=code,
            split=self.split,
            count=len(faulty),
            message=f"{self._file_name} {what}",
            examples=tuple(show(thing) for thing in faulty[:MAX_EXAMPLES]) if show else (),
            remedy=remedy,
        )


def _names(table: AnnotationTable, report: _Reporter) -> Iterable[Finding]:
    """File names that lead elsewhere or cannot be names of files, and category names that are no text."""
    faulty = [(row, fault) for row, name in enumerate(table.file_names) if (fault := name_fault(name)) is not None]
    yield report.of(
        "error",
        "file-name",
        faulty,
        f"has {len(faulty)} `file_name`(s) in `images` that cannot be used",
        f"give the names of files in {report.split}2017/, without .. and not from /",
        show=lambda at: f"entry {at[0]}: {shown(table.file_names[at[0]])} {at[1]}",
    )
    unclear = [row for row, name in enumerate(table.category_names) if not _is_unicode(name)]
    what = f"has {len(unclear)} `name`(s) in `categories` that are not valid Unicode"
    yield report.of("error", "category-name", unclear, what, "correct them", lambda row: f"entry {row}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _structure(table: AnnotationTable, report: _Reporter) -> Iterable[Finding]:
    lists: tuple[tuple[str, str, str, Sequence[Any]], ...] = (
        ("file", "images", "file_name", table.file_names),
        ("image", "images", "id", table.image_ids.tolist()),
        ("annotation", "annotations", "id", table.box_ids.tolist()),
        ("category", "categories", "id", table.category_ids.tolist()),
    )
    for kind, section, key, values in lists:
        repeated = _repeated(values)
        what = f"gives {len(repeated)} `{key}`(s) in `{section}` more than once"
        yield report.of("error", f"duplicate-{kind}", repeated, what, f"list every {kind} once")
        if not len(values) and kind != "file":
            yield report.of("error", f"no-{kind}", [kind], f"holds no {kind}", "download or write it again", show=None)
    surplus = table.category_names[MAX_CATEGORIES:]
    what = f"has {len(table.category_ids)} categories, and SSD300 supports {MAX_CATEGORIES}"
    yield report.of("error", "too-many-categories", surplus, what, "remove the others", shown)
    unordered = np.flatnonzero(np.diff(table.category_ids) < 0)
    yield report.of(
        "warning",
        "category-order",
        unordered,
        "does not list its categories in the order of their ids",
        "labels follow the order of the file: a checkpoint trained on another order names its classes wrongly",
        show=lambda row: f"{table.category_ids[row]} before {table.category_ids[row + 1]}",
    )
    sizeless = np.flatnonzero((table.sizes_wh < 1).any(axis=1))
    what = f"gives {len(sizeless)} image(s) a width or height below one pixel"
    yield report.of(
        "error", "image-size", sizeless, what, "write their true sizes", lambda i: shown(table.file_names[i])
    )


def _repeated(values: Sequence[Any]) -> list[str]:
    """Each value that is there more than once, with the entries of the first two."""
    repeated = [value for value, count in Counter(values).items() if count > 1]
    entries: dict[Any, list[int]] = {value: [] for value in repeated[:MAX_EXAMPLES]}
    for entry, value in enumerate(values):
        if value in entries:
            entries[value].append(entry)
    described = [f"{shown(str(value))} in entries {at[0]} and {at[1]}" for value, at in entries.items()]
    return described + [""] * (len(repeated) - len(described))


def _references(table: AnnotationTable, report: _Reporter) -> Iterable[Finding]:
    yield _dangling(table, report, "category", table.box_category_ids, table.category_ids)
    yield _dangling(table, report, "image", table.box_image_ids, table.image_ids)


def _dangling(
    table: AnnotationTable, report: _Reporter, kind: str, references: Int64Array, known_ids: Int64Array
) -> Finding:
    rows = np.flatnonzero(rows_of(references, known_ids) < 0)
    return report.of(
        "error",
        f"unknown-{kind}",
        rows,
        f"has {len(rows)} annotation(s) whose {kind} it does not list",
        f"list the {kind} or remove the annotations",
        show=lambda row: f"annotation {table.box_ids[row]}: {kind} {references[row]}",
    )


def _boxes(table: AnnotationTable, report: _Reporter) -> Iterable[Finding]:
    if not len(table.image_ids):
        return
    repaired = repair_boxes(table)
    not_finite: BoolArray = np.logical_not(np.isfinite(table.boxes_xywh).all(axis=1))
    placed = (repaired.image_rows >= 0) & (table.sizes_wh[repaired.image_rows] > 0).all(axis=1)
    without_area = repaired.dropped & placed & ~not_finite
    kinds: tuple[tuple[Severity, str, BoolArray, str, str], ...] = (
        ("error", "box-not-finite", not_finite, "that are not finite numbers", "correct or remove them"),
        ("warning", "box-outside", repaired.clipped & placed, "that reach beyond their image",
         "they are clipped for training; evaluation takes them as they are"),
        ("warning", "box-without-area", without_area,
         f"with a side below {MIN_SIDE_PX} pixels inside their image",
         "they are dropped, for training and for evaluation"),
    )  # fmt: skip
    for severity, code, faulty, what, remedy in kinds:
        rows = np.flatnonzero(faulty)
        yield report.of(
            severity,
            code,
            rows,
            f"has {len(rows)} box(es) {what}",
            remedy,
            show=lambda row: f"annotation {table.box_ids[row]}: {table.boxes_xywh[row].tolist()}",
        )
    yield _areas(table, report, repaired, placed & ~not_finite & ~without_area)


def _areas(table: AnnotationTable, report: _Reporter, repaired: RepairedBoxes, usable: BoolArray) -> Finding:
    rows = np.flatnonzero(repaired.area_replaced & usable)
    return report.of(
        "warning",
        "area-impossible",
        rows,
        f"has {len(rows)} annotation(s) with an `area` that is negative, not a number, or larger than their image",
        "the area of the box is used instead, to tell small, medium and large objects apart",
        show=lambda row: f"annotation {table.box_ids[row]}: {table.areas[row]:g}",
    )
