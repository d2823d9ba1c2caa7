"""What ends with its host, and what is asked for."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ssdbench.harness.datasets import prepare_dataset
from ssdbench.harness.process import WorkerError
from ssdbench.schema.record import RunOptions
from tests.faults.datasets import (
    annotation_file,
    cut,
    edit,
    fault,
    ignore,
    prepared,
)


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
