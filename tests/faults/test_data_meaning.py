"""Numbers and names that mean something else than they seem to: exact, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import DataError
from ssdbench.ssd.checkpoint import load_checkpoint, save_checkpoint
from ssdbench.ssd.coco import require_same_labels
from ssdbench.ssd.evaluate import load_annotations
from tests.faults.datasets import (
    Document,
    annotation_file,
    by_a_perfect_detector,
    edit,
    fault,
    findings,
    prepared,
    refusal,
)


def numbered_from(first: int, step: int = 1) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        new = {image["id"]: first + step * row for row, image in enumerate(document["images"])}
        for image in document["images"]:
            image["id"] = new[image["id"]]
        for annotation in document["annotations"]:
            annotation["image_id"] = new[annotation["image_id"]]

    return change


def with_large_category_ids(document: Document) -> None:
    for category in document["categories"]:
        category["id"] += 2**53
    for annotation in document["annotations"]:
        annotation["category_id"] += 2**53


@fault("R05", "ids of images or categories beyond 2^53: a date and a counter, hashes, time stamps")
@pytest.mark.parametrize(
    "change",
    [
        numbered_from(20240131000000000),
        numbered_from(2**63 - 9),
        numbered_from(20240131123456000, 33),
        with_large_category_ids,
    ],
    ids=["counter", "largest", "time stamps", "categories"],
)
def test_large_ids_are_exact(coco: Path, change: Callable[[Document], None]) -> None:
    edit(coco, change, "train", "val")
    found = by_a_perfect_detector(prepared(coco).val)
    assert (found.ap, found.ar_100) == pytest.approx((1, 1))


@fault("R05", "ids that need 64 bits without a sign")
def test_ids_that_no_tensor_holds_are_refused(coco: Path) -> None:
    edit(coco, numbered_from(2**63 + 5))
    sentence = "in `images`, `id` of entry 0 is 9223372036854775813, and should be a whole number below 2^63"
    assert sentence in refusal(coco)
    assert sentence in findings(coco)["annotations-unreadable"].message


@fault("R06", "categories of equal ids have other names in val than in train")
def test_categories_of_other_names_are_an_error(coco: Path) -> None:
    def swap(document: Document) -> None:
        one, other = document["categories"][:2]
        one["name"], other["name"] = other["name"], one["name"]

    edit(coco, swap)
    found = findings(coco)["categories-differ"]
    assert (found.severity, found.count, found.examples[0]) == ("error", 2, "id 1: bicycle for person")
    assert "gives categories other names than instances_train2017.json" in refusal(coco)
    edit(coco, swap)
    edit(coco, lambda d: d["categories"][0].update(name="Person "))
    assert prepared(coco).val.category_names[0] == "Person "


@fault("R06", "a checkpoint is evaluated on other categories than it was trained on")
def test_a_checkpoint_of_other_categories_is_refused(coco: Path, tmp_path: Path) -> None:
    import torch

    val = prepared(coco).val
    for names, differs in ((val.category_names, False), (("cat", *val.category_names[1:]), True)):
        save_checkpoint(tmp_path / "m.pt", torch.nn.Linear(1, 1), label_map=dict(enumerate(("background", *names))))
        checkpoint = load_checkpoint(tmp_path / "m.pt")
        if not differs:
            require_same_labels(val, checkpoint.label_map, checkpoint.path)
            continue
        with pytest.raises(DataError, match=r"m\.pt was trained on other categories .*label 1 is 'cat' there"):
            require_same_labels(val, checkpoint.label_map, checkpoint.path)


@fault("R08", "an annotation file with a byte order mark, or in UTF-16")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_every_reader_takes_every_unicode(coco: Path, encoding: str) -> None:
    expected = prepared(coco).val.fingerprint
    annotation_file(coco).write_bytes(annotation_file(coco).read_text().encode(encoding))
    assert findings(coco) == {}
    assert prepared(coco).val.fingerprint == expected
    assert by_a_perfect_detector(prepared(coco).val).ap == pytest.approx(1)


@fault("R08", "an annotation file in Latin-1")
def test_another_encoding_is_refused_in_a_short_sentence(coco: Path) -> None:
    edit(coco, lambda d: d["categories"][0].update(name="caf\xe9"))
    text = json.dumps(json.loads(annotation_file(coco).read_text()), ensure_ascii=False)
    annotation_file(coco).write_bytes(text.encode("latin-1"))
    assert "is truncated or damaged ('utf-8' codec can't decode" in refusal(coco)
    assert len(refusal(coco)) < 400


@fault("R19", "areas that are negative, not a number, or those of another unit")
@pytest.mark.parametrize("area", [-1, 1e11, float("nan")])
def test_an_impossible_area_is_told_and_replaced(coco: Path, area: float) -> None:
    edit(coco, lambda d: [a.update(area=area) for a in d["annotations"]])
    finding = findings(coco)["area-impossible"]
    assert (finding.severity, finding.examples[0]) == ("warning", f"annotation 10001: {area:g}")
    found = by_a_perfect_detector(prepared(coco).val)
    assert (found.ap, found.ap_large) == pytest.approx((1, 1))
    assert [warning.code for warning in prepared(coco).warnings] == ["area-impossible"]


@fault("R19", "boxes without a width, or with a negative one")
@pytest.mark.parametrize("sign", [0, -1])
def test_a_box_without_area_is_dropped_by_training_and_by_the_judge(coco: Path, sign: int) -> None:
    edit(coco, lambda d: [a["bbox"].__setitem__(2, sign * a["bbox"][2]) for a in d["annotations"][:8]])
    finding = findings(coco)["box-without-area"]
    assert (finding.count, finding.remedy) == (8, "they are dropped, for training and for evaluation")
    assert by_a_perfect_detector(prepared(coco).val).ap == pytest.approx(1)


@fault("R20", "values of a wrong type: null in a box, ids as texts, an area of null, a name that is a number")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][2]["bbox"].__setitem__(1, None), "`bbox` of entry 2 (id 10003) is ["),
        (lambda d: d["images"][3].update(id="7"), '`id` of entry 3 is "7", and should be a whole number'),
        (lambda d: d["annotations"][1].update(area=None), "`area` of entry 1 (id 10002) is null"),
        (lambda d: d["annotations"][0].update(iscrowd="0"), '`iscrowd` of entry 0 (id 10001) is "0"'),
        (lambda d: d["categories"][4].update(name=5), "`name` of entry 4 (id 5) is 5, and should be a text"),
        (lambda d: d["annotations"][5].pop("bbox"), "entry 5 (id 10006) lacks `bbox`"),
        (lambda d: d["images"].insert(0, ["a.jpg"]), 'entry 0 is ["a.jpg"], and should be an object'),
    ],
)
def test_a_wrong_type_names_file_key_and_entry(coco: Path, change: Callable[[Document], Any], words: str) -> None:
    edit(coco, change)
    found = findings(coco)["annotations-unreadable"].message
    assert words in found
    assert "instances_val2017.json: in `" in found
    assert found in refusal(coco)


@fault("R20", "iscrowd as true and false")
def test_iscrowd_may_be_a_truth_value(coco: Path) -> None:
    edit(coco, lambda d: [a.update(iscrowd=number == 0) for number, a in enumerate(d["annotations"])])
    assert findings(coco) == {}
    assert prepared(coco).val.crowd_boxes == 1


@fault("C44", "an annotation id twice")
def test_a_doubled_annotation_id_is_found_by_every_verb(coco: Path) -> None:
    edit(coco, lambda d: d["annotations"][4].update(id=d["annotations"][1]["id"]))
    sentence = "instances_val2017.json gives 1 `id`(s) in `annotations` more than once (10002 in entries 1 and 4)"
    assert sentence in findings(coco)["duplicate-annotation"].sentence()
    assert sentence in refusal(coco)
    with pytest.raises(DataError, match="10002 in entries 1 and 4"):
        load_annotations(annotation_file(coco))
