"""Data sets that are changed, damaged, hostile or strange: noticed, mended or refused, and never measured wrongly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ssdbench.errors import DataError
from ssdbench.harness.datasets import image_folder, prepare_dataset
from ssdbench.harness.process import WorkerError
from ssdbench.schema.record import RunOptions, SyntheticData
from ssdbench.ssd.checkpoint import load_checkpoint, save_checkpoint
from ssdbench.ssd.coco import Prepared, load_columns, require_same_labels, require_whole
from ssdbench.ssd.evaluate import Evaluation, evaluate, load_annotations
from ssdbench.ssd.findings import Finding
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import MARKER, SyntheticSpec, synthesise
from ssdbench.ssd.verification import verify
from tests.cli.running import ssdbench

Document = dict[str, Any]
fault = pytest.mark.fault


def nothing(phase: str, done: int, total: int) -> None:
    """For calls that report progress."""


def ignore(event: dict[str, object]) -> None:
    """For calls that report events."""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set; read only."""
    folder = tmp_path_factory.mktemp("drawn") / "coco"
    synthesise(folder, SyntheticSpec(train_images=5, val_images=9, seed=3, easy=True), nothing)
    return folder


@pytest.fixture
def coco(drawn: Path, tmp_path: Path) -> Path:
    """A data set to damage."""
    return shutil.copytree(drawn, tmp_path / "coco")


def annotation_file(coco: Path, split: str = "val") -> Path:
    return coco / "annotations" / f"instances_{split}2017.json"


def images(coco: Path, split: str = "val") -> list[Path]:
    return sorted((coco / f"{split}2017").iterdir())


def edit(coco: Path, change: Callable[[Document], Any], *splits: str) -> None:
    for split in splits or ("val",):
        document = json.loads(annotation_file(coco, split).read_text())
        change(document)
        annotation_file(coco, split).write_text(json.dumps(document))


def prepared(coco: Path, **options: Any) -> Prepared:
    return prepare(coco, coco.parent / "cache", nothing, **options)


def refusal(coco: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepared(coco, **options)
    assert caught.value.exit_code == 7
    return str(caught.value)


def findings(coco: Path, **options: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in verify(coco, nothing, **options).findings}


def by_a_perfect_detector(split: Any) -> Evaluation:
    """The figures of a detector that finds every box that training would use, with the rows of a real evaluation."""
    columns = load_columns(split)
    rows = []
    for row, (height, width) in enumerate(columns.sizes_hw.tolist()):
        for box in range(columns.first_box[row], columns.first_box[row + 1]):
            left, top, right, bottom = columns.boxes_ltrb[box].astype(float) * [width, height, width, height]
            rows.append([row, left, top, right - left, bottom - top, 0.9, columns.labels[box]])
    return evaluate(load_annotations(split.source_annotations), np.array(rows))


# What changed since it was prepared


@fault("C65", "an image is replaced in place by one of another size")
def test_an_image_replaced_in_place_is_refused(coco: Path) -> None:
    assert not prepared(coco).cache_hit
    assert prepared(coco).cache_hit
    Image.new("RGB", (37, 41)).save(images(coco)[0])
    assert f"do not have the annotated size ({images(coco)[0].name}: 37x41 in the file" in refusal(coco)


@fault("C67", "an annotation file changes, with equal size and the old time")
def test_annotations_of_equal_size_and_time_give_another_fingerprint(coco: Path) -> None:
    edit(coco, lambda d: d["annotations"][0].update(bbox=[10, 10, 50, 50]))
    before, status = prepared(coco), annotation_file(coco).stat()
    annotation_file(coco).write_text(annotation_file(coco).read_text().replace("[10, 10, 50, 50]", "[20, 20, 60, 60]"))
    os.utime(annotation_file(coco), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert annotation_file(coco).stat().st_size == status.st_size
    assert prepared(coco).val.fingerprint != before.val.fingerprint
    assert prepared(coco).train.fingerprint == before.train.fingerprint


def flipped(path: Path) -> None:
    """Change some bytes in the middle, as a bad disk does; the length stays."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 8):
        content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@fault("C68", "C69", "C70", "C72", "a file of the cache is cut off, has flipped bits or is deleted")
@pytest.mark.parametrize("name", ["prepared.json", "train.json", "train.npz"])
@pytest.mark.parametrize("damage", [cut, flipped, Path.unlink])
def test_a_damaged_cache_heals(coco: Path, name: str, damage: Callable[[Path], None]) -> None:
    first = prepared(coco)
    whole = {path.name: path.read_bytes() for path in first.path.parent.iterdir()}
    damage(first.path.parent / name)
    second = prepared(coco)
    assert not second.cache_hit
    assert {path.name: path.read_bytes() for path in second.path.parent.iterdir()} == whole
    assert prepared(coco).cache_hit
    assert [path.name for path in first.path.parent.parent.iterdir()] == [first.path.parent.name]


@fault("C69", "C70", "a file of the cache has flipped bits when a rank reads it")
def test_a_rank_reads_nothing_that_is_damaged(coco: Path) -> None:
    train = prepared(coco).train
    flipped(train.annotations)
    flipped(train.columns)
    with pytest.raises(DataError, match=r"train\.json is damaged .*: start the command again"):
        require_whole(train)
    with pytest.raises(DataError, match=r"train\.npz cannot be read .*: start the command again"):
        load_columns(train)


@fault("C70", "a file of the cache is replaced by another one that can be read")
def test_a_rank_reads_no_other_file_than_was_written(coco: Path) -> None:
    found = prepared(coco)
    shutil.copy(found.val.columns, found.train.columns)
    with pytest.raises(DataError, match=r"train\.npz cannot be read \(its SHA-256 is not the one that was written\)"):
        load_columns(found.train)
    assert len(load_columns(prepared(coco).train).file_names) == 5


@fault("C73", "a cleaner of old files removes synthetic images, or cuts one off")
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: images(folder, "train")[1].rename(folder / "gone.jpg"),
        pytest.param(lambda folder: cut(images(folder)[0]), marks=pytest.mark.slow),
        pytest.param(lambda folder: (folder / MARKER).rename(folder / "gone.json"), marks=pytest.mark.slow),
        pytest.param(lambda folder: shutil.rmtree(folder / "val2017"), marks=pytest.mark.slow),
    ],
    ids=["removed", "cut off", "marker gone", "folder gone"],
)
def test_synthetic_images_are_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], Any]
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    options = RunOptions(synthetic=SyntheticData(train_images=3, val_images=2, seed=1, easy=True))
    first = prepare_dataset(sys.executable, options, ignore)
    folder = image_folder(options)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    damage(folder)
    assert prepare_dataset(sys.executable, options, ignore).dataset == first.dataset
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert len(list(folder.parent.iterdir())) == 1


# Numbers and names that mean something else than they seem to


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


# Images that not every pipeline reads


@fault("R07", "C09", "images in formats that DALI cannot read, or reads differently, under a name with .jpg")
@pytest.mark.parametrize(
    ("layout", "mode", "words"),
    [
        ("GIF", "RGB", "GIF file"),
        ("TGA", "RGB", "TGA file"),
        ("DIB", "RGB", "DIB file"),
        ("PNG", "I;16", "PNG file with more than 8 bits per channel"),
        ("TIFF", "I;16", "TIFF file with more than 8 bits per channel"),
        ("TIFF", "F", "TIFF file with more than 8 bits per channel"),
        ("TIFF", "1", "TIFF file with 1 bit per pixel"),
    ],
)
def test_an_image_that_a_pipeline_cannot_read_is_named_with_its_format(
    coco: Path, layout: str, mode: str, words: str
) -> None:
    path = images(coco)[2]
    with Image.open(path) as picture:
        grey = np.asarray(picture.convert("L"))
        made = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    made.save(path, format=layout)
    finding = findings(coco)["image-format"]
    assert (finding.severity, finding.examples) == ("error", (f"{path.name}: {words}",))
    assert finding.remedy.startswith("convert them to JPEG")
    assert f"{path.name}: {words}" in refusal(coco)


# Names that lead elsewhere


@fault("C22", "C23", "a file name is absolute, or leads out by ../")
@pytest.mark.parametrize("name", ["{outside}", "../../secret.jpg", "a/../../../secret.jpg", "../val2017/{first}"])
def test_a_name_that_leads_out_is_refused(coco: Path, name: str) -> None:
    outside = shutil.copy(images(coco)[0], coco.parent / "secret.jpg")
    (coco / "val2017" / "a").mkdir()
    name = name.format(outside=outside, first=images(coco)[0].name)
    edit(coco, lambda d: d["images"][0].update(file_name=name))
    assert findings(coco, follow_links=True)["file-name"].examples == (f"entry 0: {name} leads out of the folder",)
    assert "leads out of the folder): give the names of files in val2017/" in refusal(coco, follow_links=True)


def moved_behind_a_link(coco: Path, store: Path, kind: str) -> None:
    store.mkdir()
    first = images(coco)[0]
    if kind == "file":
        shutil.move(first, store)
        first.symlink_to(store / first.name)
    else:
        shutil.move(first, store)
        (coco / "val2017" / "sub").symlink_to(store)
        edit(coco, lambda d: d["images"][0].update(file_name=f"sub/{first.name}"))


@fault("C24", "a link in the data set leads to images elsewhere")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_the_data_set_needs_an_option(coco: Path, kind: str) -> None:
    moved_behind_a_link(coco, coco.parent / "store", kind)
    assert "are outside the data set, behind a link" in (sentence := refusal(coco))
    assert "store/000000000002.jpg): copy them into it, or allow such links with --follow-links" in sentence
    assert findings(coco)["image-outside"].count == 1
    assert findings(coco, follow_links=True) == {}
    assert prepared(coco, follow_links=True).val.images == 9
    refusal(coco)


@fault("C24", "links stay within the data set, or the folder of the images is one")
def test_links_within_the_data_set_are_followed(coco: Path) -> None:
    moved_behind_a_link(coco, coco / "store", "file")
    shutil.move(coco / "train2017", coco.parent / "disk")
    (coco / "train2017").symlink_to(coco.parent / "disk")
    assert findings(coco) == {}
    assert prepared(coco).train.images == 5


@fault("C28", "C29", "a name with a NUL, a lone surrogate, of 300 letters, or none")
@pytest.mark.parametrize("name", ["a\0b.jpg", "x\ud83d.jpg", "a" * 300, "a/" * 600, ""])
def test_a_name_that_no_file_can_have_is_a_finding(coco: Path, name: str) -> None:
    edit(coco, lambda d: d["images"][3].update(file_name=name))
    done = ssdbench("data", "verify", coco, columns=400)
    assert (done.code, done.err.count("Traceback")) == (7, 0)
    assert "has 1 `file_name`(s) in `images` that cannot be used (entry 3:" in done.out
    assert len(done.out) < 3000
    assert "`file_name`" in refusal(coco)


@fault("C55", "the JSON of the annotations is nested 100,000 deep")
def test_deep_json_is_a_finding(coco: Path) -> None:
    annotation_file(coco).write_text('{"images":' + "[" * 100_000)
    assert "its JSON is nested too deeply" in findings(coco)["annotations-unreadable"].message
    assert "its JSON is nested too deeply" in refusal(coco)


def module(*arguments: str | Path, seconds: float = 60) -> tuple[int, str, int]:
    """Exit code, output, and largest memory in MB of the checking process."""
    command = [sys.executable, "-m", "ssdbench.ssd", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out, most, end = "", 0, time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            try:
                most = max(most, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.02)
        if process.poll() is None:
            process.kill()
            pytest.fail(f"still running after {seconds} s")
        out = process.stdout.read()
        return process.wait(), out, most // 2**20


@fault("C20", "the annotations or an image are a FIFO")
@pytest.mark.parametrize("what", ["annotations", "image"])
def test_a_fifo_is_refused_and_not_waited_for(coco: Path, what: str) -> None:
    path = annotation_file(coco) if what == "annotations" else images(coco)[0]
    path.unlink()
    os.mkfifo(path)
    asked = ("verify", coco) if what == "image" else ("prepare", coco, "--cache", coco.parent / "cache")
    code, out, _ = module(*asked)
    assert (code, "not a regular file" in out) == (7, True)


@fault("C32", "one file name of a million letters among 1,000 images")
def test_a_long_name_takes_no_gigabytes(coco: Path) -> None:
    def change(document: Document) -> None:
        first = document["images"][0]
        document["images"] += [{**first, "id": 10**6 + i, "file_name": f"{i}.jpg"} for i in range(1000)]
        document["images"][-1]["file_name"] = "a" * 10**6

    edit(coco, change)
    code, out, megabytes = module("verify", coco)
    assert (code, "`file_name`(s) in `images` that cannot be used" in out) == (7, True)
    assert len(out) < 10_000
    assert megabytes < 500


@fault("C63", "half a gigabyte of zeros in place of the annotations")
def test_zeros_are_found_before_they_are_read(coco: Path) -> None:
    with annotation_file(coco).open("wb") as file:
        file.truncate(5 * 10**8)
    code, out, megabytes = module("prepare", coco, "--cache", coco.parent / "cache")
    assert (code, "with 500000000 bytes is truncated or damaged" in out) == (7, True)
    assert megabytes < 300


# What ends, and what is not asked for


@fault("A32", "the host is killed while it draws images")
def test_drawing_ends_with_its_host(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ssdbench.harness.datasets import synthesise; "
        "from ssdbench.schema.record import SyntheticData; "
        "synthesise(sys.executable, Path('coco'), SyntheticData(train_images=9_000, val_images=1, easy=True), print)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        assert "drawing" in host.stdout.readline()
        drawing = psutil.Process(host.pid).children(recursive=True)
        assert len(drawing) >= 1
        host.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(drawing, timeout=30)
        assert alive == []
    assert list(tmp_path.iterdir()) == []


@fault("U-val", "`evaluate` is given a data set without train images, or with faults in them")
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda coco: shutil.rmtree(coco / "train2017"), marks=pytest.mark.slow, id="images gone"),
        pytest.param(lambda coco: cut(annotation_file(coco, "train")), id="annotations cut off"),
    ],
)
def test_only_the_split_that_is_used_is_checked(
    coco: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(coco.parent / "cache"))
    damage(coco)
    options = RunOptions(data_folder=str(coco))
    found = prepare_dataset(sys.executable, options, ignore, splits=("val",)).dataset
    assert (found.train_images, found.val_images) == (0, 9)
    with pytest.raises(WorkerError) as caught:
        prepare_dataset(sys.executable, options, ignore)
    assert caught.value.exit_code == 7
    assert "train" in str(caught.value)


@fault("R19", "what was repaired is told by the verb that measures")
def test_repairs_are_told_where_images_are_read(coco: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(coco.parent / "cache"))
    edit(coco, lambda d: d["annotations"][0].update(bbox=[1, 1, 0, 5]), "train")
    events: list[dict[str, object]] = []
    for _ in range(2):
        events.clear()
        prepare_dataset(sys.executable, RunOptions(data_folder=str(coco)), events.append)
        (warning,) = [event for event in events if event["event"] == "warning"]
        assert str(warning["message"]).startswith("instances_train2017.json has 1 box(es) with a side below 0.1 pixels")


@fault("C65", "an older checkout, as the baseline of a run, reads what this version prepared")
def test_a_prepared_split_has_the_fields_that_every_version_reads(coco: Path) -> None:
    document = json.loads(prepared(coco).path.read_text())
    assert document["version"] == 1
    assert sorted(document["splits"]["train"]) == sorted([
        *("name", "image_root", "source_annotations", "annotations", "annotations_bytes", "columns", "images"),
        *("annotated_images", "boxes", "crowd_boxes", "category_ids", "category_names", "image_bytes"),
        *("clipped_boxes", "dropped_boxes", "fingerprint"),
    ])  # fmt: skip
