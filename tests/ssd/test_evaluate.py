"""COCO evaluation of decoded detections."""

import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from ssdbench.errors import DataError, EnvironmentLacksError, UsageError
from ssdbench.ssd.evaluate import detection_rows, evaluate, load_annotations

CATEGORIES = (1, 18, 90)


def annotation(identity, image, category, bbox):
    return {
        "id": identity,
        "image_id": image,
        "category_id": category,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": 0,
    }


def instances():
    """Three images, the last without annotation; objects of all three sizes."""
    return {
        "images": [{"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in (11, 12, 13)],
        "categories": [{"id": i, "name": str(i)} for i in CATEGORIES],
        "annotations": [
            annotation(1, 11, 1, [64, 48, 320, 240]),
            annotation(2, 11, 18, [0, 0, 20, 20]),
            annotation(3, 12, 90, [100, 100, 64, 48]),
        ],
    }


def loaded(tmp_path, content, engine="pycocotools"):
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return load_annotations(tmp_path / "instances.json", engine)


@pytest.fixture
def truth(tmp_path):
    return loaded(tmp_path, instances())


def perfect(truth):
    return np.array([[a["image_id"], *a["bbox"], 0.9, a["category_id"]] for a in truth.dataset["annotations"]])


def test_detections_become_rows_in_pixels_of_their_own_image_with_labels():
    first = (
        torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0]]),
        torch.tensor([3, 1]),
        torch.tensor([0.75, 0.5]),
    )
    none = (torch.empty(0, 4), torch.empty(0, dtype=torch.int64), torch.empty(0))
    last = (torch.tensor([[-0.5, 0.25, 0.5, 0.75]]), torch.tensor([2]), torch.tensor([0.25]))
    rows = detection_rows([first, none, last], [0, 1, 118_286], [(480, 640), (1, 1), (100, 200)], 3)
    expected = [
        [0, 64, 96, 256, 192, 0.75, 3],
        [0, 0, 0, 640, 480, 0.5, 1],
        [118_286, -100, 25, 200, 50, 0.25, 2],
    ]
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-4)
    assert rows[:, [0, 6]].tolist() == [[0, 3], [0, 1], [118_286, 2]]


def test_no_images_and_no_detections_give_no_rows():
    none = (torch.empty(0, 4), torch.empty(0, dtype=torch.int64), torch.empty(0))
    assert detection_rows([], [], [], 3).shape == (0, 7)
    assert detection_rows([none, none], [1, 2], [(480, 640)] * 2, 3).shape == (0, 7)


def test_a_label_that_the_data_set_has_no_category_for_is_left_out():
    found = (torch.rand(3, 4), torch.tensor([4, 2, 80]), torch.tensor([0.9, 0.8, 0.7]))
    rows = detection_rows([found], [11], [(480, 640)], 3)
    np.testing.assert_allclose(rows[:, [0, 5, 6]], [[11, 0.8, 2]])


def test_detections_images_and_sizes_must_be_of_one_length():
    with pytest.raises(ValueError, match="0 images, 1 rows and 0 sizes"):
        detection_rows([], [1], [], 3)


def test_perfect_detections_score_one_in_all_twelve_figures(truth, capsys):
    found = evaluate(truth, perfect(truth))
    for name in ("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"):
        assert getattr(found, name) == pytest.approx(1.0), name
    for name in ("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"):
        assert getattr(found, name) == pytest.approx(1.0), name
    assert (found.protocol, found.images, found.detections) == ("every-image", 3, 3)
    assert capsys.readouterr() == ("", "")


def test_figures_go_by_their_names(truth):
    # Only the small one of three objects is found, with an overlap of .64: enough at .50, .55 and .60, three of ten.
    rows = perfect(truth)[1:2]
    rows[0, 3:5] = 16
    found = evaluate(truth, rows)
    assert found.ap_50 == pytest.approx(1 / 3)
    assert found.ap_75 == 0
    assert found.ap == pytest.approx(1 / 3 * 3 / 10)
    assert found.ap_small == pytest.approx(3 / 10)
    assert found.ap_medium == found.ap_large == found.ar_medium == found.ar_large == 0
    assert found.ar_1 == found.ar_10 == found.ar_100 == pytest.approx(1 / 3 * 3 / 10)
    assert found.ar_small == pytest.approx(3 / 10)


def test_no_detections_score_zero(truth, capsys):
    found = evaluate(truth, np.empty((0, 7)))
    assert (found.ap, found.ap_50, found.ar_100, found.detections) == (0, 0, 0, 0)
    assert capsys.readouterr() == ("", "")
    assert evaluate(truth, np.array([[2, 0, 0, 9, 9, 0.9, 1]]), protocol="published").ap == 0


def test_the_published_protocol_counts_no_false_positive_on_images_without_annotation(truth):
    rows = np.concatenate([[[2, 0, 0, 100, 100, 0.95, label] for label in (1, 2, 3)], perfect(truth)])
    everywhere, published = evaluate(truth, rows), evaluate(truth, rows, protocol="published")
    assert everywhere.ap == pytest.approx(0.5)
    assert published.ap == pytest.approx(1.0)
    assert (everywhere.protocol, everywhere.detections) == ("every-image", 6)
    assert (published.protocol, published.detections) == ("published", 3)
    assert everywhere.images == published.images == 3


def test_a_protocol_that_does_not_exist_gets_the_choices(truth):
    with pytest.raises(UsageError, match="'official' does not exist; choose one of every-image, published"):
        evaluate(truth, perfect(truth), protocol="official")  # type: ignore[arg-type]


def test_detections_on_an_image_that_the_annotations_lack_get_a_sentence(truth):
    with pytest.raises(DataError, match="detections on 1 images without a record in the annotations: row 99"):
        evaluate(truth, np.array([[99, 0, 0, 1, 1, 0.5, 1]]))


@pytest.mark.parametrize("content", ["", "[]", '{"images": [', '{"images": [], "annotations": [{}]}'])
def test_a_file_that_is_no_annotation_file_gets_a_sentence(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json (with \d+ bytes is truncated|is not a COCO|has no list)"):
        load_annotations(tmp_path / "a.json")
    with pytest.raises(DataError, match=r"b\.json cannot be read \(No such file or directory\)"):
        load_annotations(tmp_path / "b.json")


def test_annotations_numbered_from_0_and_without_crowd_or_area_are_judged_as_they_are_meant(tmp_path):
    # To both engines a detection matched with annotation 0 is not matched at all.
    content = instances()
    for number, annotation in enumerate(content["annotations"]):
        annotation["id"] = number
        del annotation["iscrowd"], annotation["area"]
    truth = loaded(tmp_path, content)
    found = evaluate(truth, perfect(truth))
    assert (found.ap, found.ap_small, found.ap_medium, found.ap_large) == pytest.approx((1.0, 1.0, 1.0, 1.0))


def figures(evaluation):
    return list(asdict(evaluation).values())[3:]


def crowded_scene(rng):
    """80 images of 12 categories: crowds, images without objects, without detections, with more than 100, ties."""
    images = [{"id": 7 * i + 3, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in range(80)]
    annotations: list[dict[str, Any]] = []
    found: list[list[Any]] = []
    for number, image in enumerate(images):
        sides = np.exp(rng.uniform(np.log(8), np.log(300), (0 if number % 7 == 0 else rng.integers(1, 15), 2)))
        for width, height in sides:
            box = [rng.uniform(0, 640 - width), rng.uniform(0, 480 - height), width, height]
            crowd = int(rng.random() < 0.15)
            annotations.append(annotation(len(annotations) + 1, image["id"], int(rng.integers(1, 13)), box))
            annotations[-1] |= {"iscrowd": crowd, "area": width * height * rng.uniform(0.4, 1)}
            for _ in range(rng.integers(0, 5)):
                moved = np.array(box) + rng.normal(0, 0.12, 4) * [width, height, width, height]
                moved[2:] = np.abs(moved[2:]) + 1
                category = annotations[-1]["category_id"] if rng.random() < 0.9 else int(rng.integers(1, 13))
                found.append([number, *moved, rng.random(), category])
        if number % 5 != 1:
            for _ in range(150 if number == 10 else 40):
                found.append([number, *rng.uniform(1, 300, 4), 0.7 * rng.random(), int(rng.integers(1, 13))])
    rows = np.array(found)
    rows[:, 5] = rows[:, 5].round(2)
    categories = [{"id": i, "name": str(i)} for i in range(1, 14)]
    return {"images": images, "annotations": annotations, "categories": categories}, rows


@pytest.mark.parametrize("protocol", ["every-image", "published"])
def test_the_fast_engine_gives_all_figures_of_pycocotools(protocol, tmp_path, capsys):
    content, rows = crowded_scene(np.random.default_rng(8))
    assert len(rows) > 2500
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    reference = evaluate(load_annotations(path), rows, protocol=protocol)
    fast = evaluate(load_annotations(path, "faster-coco-eval"), rows, protocol=protocol)
    assert 0.05 < reference.ap < 0.95
    # The engines add the same terms up in another order.
    assert figures(fast) == pytest.approx(figures(reference), rel=0, abs=1e-15)
    assert (fast.protocol, fast.images, fast.detections) == (protocol, 80, reference.detections)
    assert capsys.readouterr() == ("", "")


def test_the_fast_engine_takes_no_detections_at_all(tmp_path):
    content, _ = crowded_scene(np.random.default_rng(8))
    (tmp_path / "a.json").write_text(json.dumps(content))
    both = [evaluate(load_annotations(tmp_path / "a.json", engine), np.empty((0, 7)))
            for engine in ("pycocotools", "faster-coco-eval")]  # fmt: skip
    assert both[0] == both[1]


def test_an_engine_that_is_not_installed_gets_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(EnvironmentLacksError, match=r"install the extra ssdbench\[fast-eval\], or use pycocotools"):
        load_annotations(tmp_path / "a.json", "faster-coco-eval")
