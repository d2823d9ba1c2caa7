"""The accuracy of images, for real: a label fault in one of them is found, and a sound image is not blamed."""

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ssdbench.errors import ExitCode
from tests.cli.conftest import Ssdbench, Start
from tests.containers.conftest import REPOSITORY, Bench
from tests.workloads.ranks import detecting_model

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]

OPTIONS = ("--data", "coco", "--device", "cpu", "--batch-size", "4", "--pipeline", "torchvision")
OBJECTS_PER_IMAGE = 3


def write_truth(coco: Path, detections: Path) -> None:
    """Make the best detections of each image its objects: what found them is right."""
    path = coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    rows = np.load(detections)
    content["annotations"] = []
    for number, image in enumerate(content["images"]):
        mine = rows[rows[:, 0] == number]
        mine = mine[(mine[:, 1] >= 0) & (mine[:, 2] >= 0)]
        mine = mine[(mine[:, 1] + mine[:, 3] <= image["width"]) & (mine[:, 2] + mine[:, 4] <= image["height"])]
        for _, left, top, width, height, _, label in mine[:OBJECTS_PER_IMAGE].tolist():
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image["id"],
                    "category_id": content["categories"][int(label) - 1]["id"],
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    path.write_text(json.dumps(content))


def wait_for_second_image(podman: Bench, process: "subprocess.Popen[str]", results: Path) -> Path:
    """Return the file of the first image's answer when the second image is at work."""
    deadline = time.monotonic() + 600
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        open_folders = [path for path in results.glob("evaluations/2*") if not (path / "comparison.json").exists()]
        if open_folders and (open_folders[0] / "baseline.json").exists() and podman.containers():
            return open_folders[0] / "baseline.json"
        time.sleep(0.2)


def test_detections_of_two_images_are_compared_and_a_killed_host_repeats_nothing(
    podman: Bench, ssdbench: Ssdbench, start: Start, tmp_path: Path
) -> None:
    made = ssdbench("data", "synth", "coco", "--train-images", "2", "--val-images", "16")
    assert made.returncode == 0, made.stderr
    torch.save(detecting_model().state_dict(), tmp_path / "weights.pt")
    given = ("weights.pt", *OPTIONS, "--backbone", "resnet18", "--containers", str(podman.write(tmp_path)))
    results = tmp_path / "results"

    first = ssdbench("containers", "evaluate", "26.01", "26.02", *given, "--json")
    assert first.returncode == ExitCode.OK, first.stdout + first.stderr
    found = json.loads(first.stdout)
    assert found["agreement"]["identical"]
    assert (found["change"], found["low"], found["high"]) == (0, 0, 0)
    (folder,) = results.glob("evaluations/2*")
    write_truth(tmp_path / "coco", folder / "baseline-detections.npy")

    process = start("containers", "evaluate", "26.01", "labels", *given)
    answered = wait_for_second_image(podman, process, results)
    before = answered.stat()
    process.kill()
    process.communicate()
    wrong = ssdbench("containers", "evaluate", "26.01", "labels", *given, "--resume")
    assert wrong.returncode == ExitCode.REGRESSED, wrong.stdout + wrong.stderr
    assert f"REGRESSED ({REPOSITORY}:labels against {REPOSITORY}:26.01): AP " in wrong.stdout
    assert "under another label" in wrong.stdout
    assert wrong.stderr.count("evaluating in") == 1
    assert answered.stat().st_mtime_ns == before.st_mtime_ns
    judged = json.loads((answered.parent / "comparison.json").read_text())
    assert judged["baseline_ap"] > 0.2
    assert judged["candidate_ap"] < 0.2 * judged["baseline_ap"]
    assert judged["agreement"]["same"] == 0
    assert podman.containers() == []

    sound = ssdbench("containers", "evaluate", "26.01", "26.02", *given, "--resume")
    assert sound.returncode == ExitCode.OK, sound.stdout + sound.stderr
    assert "UNCHANGED" in sound.stdout
    assert sound.stderr.count("evaluating in") == 2  # other annotations: another question
