"""Reading, judging and repairing annotations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.ssd.annotations import AnnotationFileError, AnnotationTable, read_annotations
from ssdbench.ssd.findings import Finding, annotation_findings, category_findings
from ssdbench.ssd.repair import RepairedBoxes, repair_boxes, rows_of

Document = dict[str, Any]


def document() -> Document:
    """Two images of 10x8 and 20x30 pixels, two categories with ids 5 and 90, a box in each image."""
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 10, "height": 8},
            {"id": 3, "file_name": "b.jpg", "width": 20, "height": 30},
        ],
        "categories": [{"id": 5, "name": "boat"}, {"id": 90, "name": "brush"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 5, "bbox": [0, 0, 20, 30], "iscrowd": 1},
        ],
    }


def table(tmp_path: Path, change: Callable[[Document], None] = lambda document: None) -> AnnotationTable:
    content = document()
    change(content)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return read_annotations(path)


def table_of(box_xywh: list[float], size_wh: tuple[int, int] = (10, 8)) -> AnnotationTable:
    one = np.array([1], np.int64)
    return AnnotationTable(
        path=Path("instances.json"), image_ids=one, file_names=("a.jpg",), sizes_wh=np.array([size_wh], np.int64),
        category_ids=one, category_names=("boat",), box_ids=one, box_image_ids=one, box_category_ids=one,
        boxes_xywh=np.array([box_xywh], np.float64), areas=np.ones(1), crowd=np.zeros(1, np.bool_),
    )  # fmt: skip


def repaired(box_xywh: list[float], size_wh: tuple[int, int] = (10, 8)) -> RepairedBoxes:
    return repair_boxes(table_of(box_xywh, size_wh))


def findings(tmp_path: Path, change: Callable[[Document], None]) -> list[Finding]:
    return annotation_findings(table(tmp_path, change), "train")


def test_a_file_is_read_into_columns(tmp_path: Path) -> None:
    found = table(tmp_path)
    assert found.image_ids.tolist() == [7, 3]
    assert found.file_names == ("a.jpg", "b.jpg")
    assert found.sizes_wh.tolist() == [[10, 8], [20, 30]]
    assert found.category_ids.tolist() == [5, 90]
    assert found.boxes_xywh.tolist() == [[1, 2, 3, 4], [0, 0, 20, 30]]
    assert found.areas.tolist() == [12, 600]
    assert found.crowd.tolist() == [False, True]


@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_refused_wherever_it_was_cut(tmp_path: Path, fraction: float) -> None:
    content = json.dumps(document())
    (tmp_path / "cut.json").write_text(content[: int(len(content) * fraction)])
    with pytest.raises(AnnotationFileError, match=r"cut\.json with \d+ bytes is truncated or damaged .*: download"):
        read_annotations(tmp_path / "cut.json")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[]", "is not a COCO instances file"),
        (b'{"images": []}', "has no list `categories`"),
        (b"\xff\xfe\xfa", "is truncated or damaged"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(AnnotationFileError, match=sentence):
        read_annotations(tmp_path / "other.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationFileError, match=r"none\.json cannot be read \(No such file or directory\)"):
        read_annotations(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("section", "entry", "sentence"),
    [
        ("annotations", {"id": 3}, r"in `annotations`, entry 2 \(id 3\) lacks `bbox`"),
        (
            "annotations",
            {"id": 3, "image_id": 7, "category_id": 5, "bbox": [1, 2]},
            r"`bbox` of entry 2 \(id 3\) is \[1, 2\], and should be four numbers",
        ),
        (
            "annotations",
            {"id": 3, "image_id": 7, "category_id": 5, "bbox": None},
            r"`bbox` of entry 2 \(id 3\) is null",
        ),
        (
            "annotations",
            {"id": 3, "image_id": 7, "category_id": "dog", "bbox": [1, 2, 3, 4]},
            r"`category_id` of entry 2 \(id 3\) is \"dog\", and should be a whole number",
        ),
        ("images", {"id": 7.5, "file_name": "c.jpg", "width": 3, "height": 3}, "`id` of entry 2 is 7.5"),
        ("images", "c.jpg", 'entry 2 is "c.jpg", and should be an object'),
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Path, section: str, entry: Any, sentence: str) -> None:
    with pytest.raises(AnnotationFileError, match=sentence):
        table(tmp_path, lambda d: d[section].append(entry))


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, lambda d: None) == []


@pytest.mark.parametrize(
    ("code", "severity", "change", "example"),
    [
        ("duplicate-image", "error",
         lambda d: d["images"].append(d["images"][0] | {"file_name": "c.jpg"}), "7 in entries 0 and 2"),
        ("duplicate-file", "error",
         lambda d: d["images"].append(d["images"][0] | {"id": 9}), "a.jpg in entries 0 and 2"),
        ("duplicate-annotation", "error",
         lambda d: d["annotations"].append(d["annotations"][0]), "1 in entries 0 and 2"),
        ("duplicate-category", "error",
         lambda d: d["categories"].append({"id": 90, "name": "again"}), "90 in entries 1 and 2"),
        ("unknown-category", "error", lambda d: d["annotations"][0].update(category_id=6), "annotation 1: category 6"),
        ("unknown-image", "error", lambda d: d["annotations"][1].update(image_id=4), "annotation 2: image 4"),
        ("image-size", "error", lambda d: d["images"][1].update(width=0), "b.jpg"),
        ("box-not-finite", "error", lambda d: d["annotations"][0].update(bbox=[1, 2, float("nan"), 4]),
         "annotation 1: [1.0, 2.0, nan, 4.0]"),
        ("box-outside", "warning", lambda d: d["annotations"][0].update(bbox=[-1, 2, 3, 4]),
         "annotation 1: [-1.0, 2.0, 3.0, 4.0]"),
        ("box-without-area", "warning", lambda d: d["annotations"][0].update(bbox=[1, 2, 0, 4]),
         "annotation 1: [1.0, 2.0, 0.0, 4.0]"),
        ("category-order", "warning", lambda d: d["categories"].reverse(), "90 before 5"),
    ],
)  # fmt: skip
def test_each_fault_is_found_once_with_its_place(
    tmp_path: Path, code: str, severity: str, change: Callable[[Document], None], example: str
) -> None:
    (found,) = findings(tmp_path, change)
    assert (found.code, found.severity, found.count, found.examples) == (code, severity, 1, (example,))
    assert found.sentence().startswith("instances.json ")


def test_a_class_head_of_81_cannot_learn_81_categories(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, lambda d: d["categories"].extend({"id": 100 + i, "name": f"{i}"} for i in range(79)))
    assert (found.code, found.count) == ("too-many-categories", 1)


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_an_empty_section_is_an_error(tmp_path: Path, section: str) -> None:
    codes = {f.code for f in findings(tmp_path, lambda d: d[section].clear()) if f.severity == "error"}
    assert f"no-{section.removesuffix('s').replace('ie', 'y')}" in codes


def test_a_finding_shows_at_most_five_examples(tmp_path: Path) -> None:
    def change(d: Document) -> None:
        d["annotations"] = [d["annotations"][0] | {"id": i, "category_id": 6} for i in range(9)]

    (found,) = findings(tmp_path, change)
    assert (found.count, len(found.examples)) == (9, 5)
    assert found.sentence().endswith(", ...): list the category or remove the annotations.")


def test_splits_with_other_categories_are_an_error(tmp_path: Path) -> None:
    train = table(tmp_path)
    val = table(tmp_path, lambda d: d["categories"].reverse())
    assert category_findings({"train": train, "val": train}) == []
    (found,) = category_findings({"train": train, "val": val})
    assert (found.code, found.split, found.severity) == ("categories-differ", "val", "error")


def test_a_box_inside_keeps_every_digit() -> None:
    found = repaired([1.37, 2.411, 3.05, 4.009])
    assert found.boxes_xywh.tolist() == [[1.37, 2.411, 3.05, 4.009]]
    assert not found.clipped.any()
    assert not found.dropped.any()


def test_a_box_that_fills_the_image_is_left_alone() -> None:
    found = repaired([0, 0, 10, 8])
    assert not found.clipped.any()
    assert found.boxes_ltrb.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("box_xywh", "clipped_xywh"),
    [
        ([-1, -2, 5, 6], [0, 0, 4, 4]),
        ([8, 6, 5, 6], [8, 6, 2, 2]),
        ([-3, 1, 30, 2], [0, 1, 10, 2]),
        ([4, 4, 6.001, 4], [4, 4, 6, 4]),
    ],
)
def test_a_box_beyond_an_edge_is_clipped(box_xywh: list[float], clipped_xywh: list[float]) -> None:
    found = repaired(box_xywh)
    assert found.boxes_xywh.tolist() == [clipped_xywh]
    assert found.clipped.tolist() == [True]


@pytest.mark.parametrize("box_xywh", [[1, 1, 0, 3], [1, 1, 3, -2], [1, 1, 0.09, 3], [12, 1, 3, 3], [-5, 1, 5, 3]])
def test_a_box_without_area_in_the_image_is_dropped_and_not_counted_as_clipped(box_xywh: list[float]) -> None:
    found = repaired(box_xywh)
    assert (found.dropped.tolist(), found.clipped.tolist()) == ([True], [False])


coordinate = st.floats(-50, 5000, width=32)


@given(
    box=st.tuples(coordinate, coordinate, coordinate, coordinate),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
)
def test_every_kept_box_is_within_the_image_in_the_arithmetic_of_dali(
    box: tuple[float, ...], width: int, height: int
) -> None:
    found = repaired(list(box), (width, height))
    if found.dropped[0]:
        return
    x, y, w, h = found.boxes_xywh[0].astype(np.float32)
    size = np.array([width, height], np.float32)
    dali_ltrb = np.concatenate([np.array([x, y]) / size, np.array([x + w, y + h]) / size])
    assert dali_ltrb.dtype == np.float32
    assert (dali_ltrb >= 0).all()
    assert (dali_ltrb <= 1).all()
    assert (dali_ltrb[:2] < dali_ltrb[2:]).all()
    assert found.boxes_ltrb[0].tolist() == dali_ltrb.tolist()


def test_rows_of_finds_each_id_or_says_that_there_is_none() -> None:
    assert rows_of(np.array([9, 2, 5]), np.array([5, 9])).tolist() == [1, -1, 0]
    assert rows_of(np.array([9]), np.array([], np.int64)).tolist() == [-1]
