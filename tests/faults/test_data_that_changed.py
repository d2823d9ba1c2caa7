"""Data sets and caches that changed since they were prepared: noticed, mended or refused."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ssdbench.errors import DataError
from ssdbench.harness.datasets import image_folder, prepare_dataset
from ssdbench.schema.record import RunOptions, SyntheticData
from ssdbench.ssd.coco import load_columns, require_whole
from ssdbench.ssd.synthetic import MARKER
from tests.faults.datasets import (
    annotation_file,
    cut,
    edit,
    fault,
    ignore,
    images,
    prepared,
    refusal,
)


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
