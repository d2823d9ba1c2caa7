"""The accuracy of images, for real: a label fault in one of them is found, and a sound image is not blamed."""

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench, Start
from tests.cli.running import records_so_far
from tests.containers.conftest import REPOSITORY, Bench
from tests.workloads.ranks import detecting_model

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3000)]

OPTIONS = ("--data", "coco", "--device", "cpu", "--batch-size", "4", "--pipeline", "torchvision")
OBJECTS_PER_IMAGE = 3
SEEDS = 5
RECIPE = """
name = "short"
device = "cpu"
protocol = {{ launches = 1, timeout_seconds = 800 }}

[[matrix]]
workload = "accuracy"
backbone = "resnet18"
pipeline = "torchvision"
precision = "fp32"
batch_size_per_gpu = 2
threads_per_rank = 1
options = {{ epochs = {epochs}, validation = "0", warmup_iterations = 1, base_learning_rate = 1e-5 }}
"""


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
    # Untrained, neighbouring categories have like scores here and there.
    assert judged["agreement"]["same"] < 0.1 * judged["agreement"]["baseline_detections"]
    assert podman.containers() == []

    sound = ssdbench("containers", "evaluate", "26.01", "26.02", *given, "--resume")
    assert sound.returncode == ExitCode.OK, sound.stdout + sound.stderr
    assert "UNCHANGED" in sound.stdout
    assert sound.stderr.count("evaluating in") == 2  # other annotations: another question


@pytest.fixture
def recipe(podman: Bench, ssdbench: Ssdbench, tmp_path: Path) -> tuple[str, ...]:
    """Options of trainings that begin with weights that detect, over images whose objects these weights find."""
    made = ssdbench("data", "synth", "coco", "--train-images", "4", "--val-images", "6")
    assert made.returncode == 0, made.stderr
    weights = tmp_path / "weights.pt"
    torch.save(detecting_model().state_dict(), weights)
    # Where the weights find things the first time says where things are.
    given = ("weights.pt", *OPTIONS, "--backbone", "resnet18")
    settings = podman.write(tmp_path, mount=[str(weights)], variables=f'{{ PLANTED_START = "{weights}" }}')
    same = ssdbench("containers", "evaluate", "26.01", "26.01", *given, "--containers", str(settings))
    assert same.returncode == ExitCode.OK, same.stdout + same.stderr
    (folder,) = (tmp_path / "results").glob("evaluations/2*")
    write_truth(tmp_path / "coco", folder / "baseline-detections.npy")
    return ("--suite", "short.toml", "--data", "coco", "--containers", str(settings))


def test_seeds_of_a_broken_image_are_stopped_early_also_if_the_host_is_killed_twice(
    podman: Bench, ssdbench: Ssdbench, start: Start, tmp_path: Path, recipe: tuple[str, ...]
) -> None:
    (tmp_path / "short.toml").write_text(RECIPE.format(epochs=2))
    asked = ("containers", "converge", "26.01", "labels", *recipe, "--parallel", "2")
    process = start(*asked)
    wait_for_record(podman, process, tmp_path, records=1, at_work=2)
    process.kill()  # during two seeds
    process.communicate()
    before = FileStore(tmp_path / "results").load("latest")
    process = start(*asked, "--resume")
    wait_for_record(podman, process, tmp_path, records=3)
    process.kill()
    process.communicate()

    done = ssdbench(*asked, "--resume")
    assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr
    assert f"REGRESSED (early gate after epoch 0, baseline {REPOSITORY}:26.01)" in done.stdout
    run = FileStore(tmp_path / "results").load("latest")
    assert run.records[: len(before.records)] == before.records
    places = [(record.arm, record.launch) for record in run.records]
    assert len(set(places)) == len(places)
    # The gate looks when all seeds of the old image have been evaluated, whatever is left of the others.
    assert {seed for arm, seed in places if arm == "baseline"} == set(range(SEEDS))
    assert len(places) >= 2 * SEEDS - 2
    for record in run.records:
        assert record.failure is None
        assert record.training is not None
        assert record.training.results[0].epoch == 0
        assert record.training.side_by_side == 2
    # A container goes on after a kill of the host, until that is resumed: two did, twice.
    assert sum(len(record.training.results) > 1 for record in run.records if record.training) <= 4
    assert podman.containers() == []


def test_a_sound_image_is_not_blamed_for_its_seeds(ssdbench: Ssdbench, tmp_path: Path, recipe: tuple[str, ...]) -> None:
    (tmp_path / "short.toml").write_text(RECIPE.format(epochs=1))
    done = ssdbench("containers", "converge", "26.01", "26.02", *recipe, "--margin", "3", "--json")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["status"] == "unchanged"
    assert verdict["baseline_ap"] > 0.05
    assert (verdict["baseline_seeds"], verdict["candidate_seeds"]) == (SEEDS, SEEDS)


def wait_for_record(
    podman: Bench, process: "subprocess.Popen[str]", folder: Path, *, records: int, at_work: int = 1
) -> None:
    """Return when so many seeds have their record, and so many containers are at work on the next ones."""
    deadline = time.monotonic() + 1200
    while len(records_so_far(folder / "results")) < records or len(podman.containers()) < at_work:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
