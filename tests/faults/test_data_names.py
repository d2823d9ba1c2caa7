"""Images that not every pipeline reads, and names that lead elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.cli.running import ssdbench
from tests.faults.datasets import (
    Document,
    annotation_file,
    edit,
    fault,
    findings,
    images,
    prepared,
    refusal,
)


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


@fault("C22", "C23", "a file name is absolute, or leads out by ../")
@pytest.mark.parametrize("name", ["{outside}", "../../secret.jpg", "a/../../../secret.jpg", "../val2017/{first}"])
def test_a_name_that_leads_out_is_refused(coco: Path, name: str) -> None:
    outside = shutil.copy(images(coco)[0], coco.parent / "secret.jpg")
    (coco / "val2017" / "a").mkdir()
    name = name.format(outside=outside, first=images(coco)[0].name)
    edit(coco, lambda d: d["images"][0].update(file_name=name))
    (example,) = findings(coco, follow_links=True)["file-name"].examples
    assert re.fullmatch(f"entry 0: {re.escape(name[:30])}.* leads out of the folder", example)
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
