"""The real workloads through the command line: JPEG files, DALI, the train step, torchrun; small, but all real."""

import json
import math
import os
import time
from pathlib import Path

import pytest
import torch

from ssdbench.analysis.metrics import figure
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.runtime.affinity import cpu_list
from ssdbench.schema.record import Run
from tests.cli.conftest import Ssdbench, Start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workloads")]  # one run serves several tests

SUITE = """
name = "tiny"
device = "cpu"
foreign_cpu_limit_cores = 64.0
protocol = { warmup_steps = 1, steps = 5, launches = 1 }
data = { train_images = 16, val_images = 8, seed = 3 }

[[matrix]]
workload = "train"
backbone = "resnet18"
world_size = 2
batch_size_per_gpu = 2
precision = "bf16"

[[matrix]]
workload = ["infer", "detect"]
backbone = "resnet18"
batch_size_per_gpu = 3
pipeline = "torchvision"
options = { timing = "synchronised" }
exclude = [{ workload = "infer" }]

[[matrix]]
workload = "infer"
backbone = "resnet34"
batch_size_per_gpu = 1
pipeline = "resident"
layout = "contiguous"

[[matrix]]
workload = "input"
batch_size_per_gpu = 4

[[matrix]]
workload = "train"
batch_size_per_gpu = 1
"""


PHASES = {
    "train": ["forward", "loss", "backward", "optimizer"],
    "infer": ["forward"],
    "detect": ["forward", "decode and NMS"],
    "input": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def run_tiny(ssdbench: Ssdbench, folder: Path) -> Run:
    (folder / "tiny.toml").write_text(SUITE)
    done = ssdbench("run", "tiny.toml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one image per GPU is impossible" in done.stdout
    return FileStore(folder / "results").load("latest")


@pytest.mark.long
def test_every_workload_measures_real_work_and_says_what_it_measured(ssdbench: Ssdbench, folder: Path) -> None:
    run = run_tiny(ssdbench, folder)
    by_workload = {record.case.workload: record for record in run.records}
    assert set(by_workload) == {"train", "infer", "detect", "input"}
    for record in run.records:
        assert record.failure is None
        measurement, case = record.measurement, record.case
        assert measurement is not None
        assert len(measurement.step_seconds) == len(measurement.fetch_seconds) == 6
        assert measurement.images == 5 * case.global_batch_size
        assert len(measurement.rank_wall_seconds) == len(measurement.peak_memory_bytes) == case.world_size
        assert measurement.wall_seconds >= max(measurement.step_seconds[1:])
        assert measurement.software.torch == torch.__version__
        assert record.launch_seconds > measurement.wall_seconds
        (node,) = measurement.node_cpus  # once a machine, not by each rank
        assert node.cpu_count == run.header.hardware.cpu_count
        assert node.foreign_cores == measurement.foreign_cpu_cores is not None
        assert measurement.rank_cpus == (cpu_list(os.sched_getaffinity(0)),) * case.world_size
        assert [phase.name for phase in measurement.phases] == ["fetch", *PHASES[case.workload]]
        assert all(len(phase.seconds) == 3 and min(phase.seconds) > 0 for phase in measurement.phases)
        assert measurement.gpus == ()
        limits, uses_model = measurement.limits, case.workload != "input"
        assert (limits is not None) == uses_model
        if limits is not None:
            assert limits.measured_at < measurement.started_at
            assert limits.arithmetic == ("bf16" if case.precision == "bf16" else "fp32")
            assert 1e8 < (limits.matmul_flop_per_second or 0) < 1e15
            assert 1e7 < (limits.copy_bytes_per_second or 0) < 1e13
            assert 0 < (figure("mfu", measurement) or 0) < math.inf

    train = by_workload["train"].measurement
    assert train is not None
    assert train.losses is not None
    assert len(train.losses) == 6
    assert all(math.isfinite(loss) and loss > 1.0 for loss in train.losses)
    # 16 images on 2 ranks at batch 2: an epoch is 4 steps, and one has ended after 6 (further steps do not count).
    assert [(epoch.expected_images, epoch.seen_images) for epoch in train.epochs] == [(8, 8)]
    assert by_workload["detect"].case.is_synchronised
    latency = by_workload["detect"].measurement
    assert latency is not None
    assert all(step > fetch for step, fetch in zip(latency.step_seconds, latency.fetch_seconds, strict=True))
    assert sum(latency.step_seconds[1:]) <= latency.wall_seconds
    assert by_workload["infer"].measurement is not None
    assert by_workload["infer"].measurement.losses is None

    assert run.header.dataset is not None
    assert run.header.dataset.train_images == 16
    assert run.header.hardware.cpu_count > 0
    assert [planned.case.batch_size_per_gpu for planned in run.header.plan.cases if planned.skip_reason] == [1]


def test_where_dali_decodes_is_an_axis_of_an_ad_hoc_grid(ssdbench: Ssdbench) -> None:
    grid = ("plan", "--workload", "train", "--device", "cuda", "--decode")
    planned = ssdbench(*grid, "cpu,mixed")
    assert "all 2 cases" in planned.stdout, planned.stderr
    keys = [case["case_key"] for case in json.loads(ssdbench(*grid, "cpu,mixed", "--json").stdout)["cases"]]
    assert [key.endswith("decode=cpu") for key in keys] == [True, False]
    refused = ssdbench(*grid, "cpu", "--pipeline", "torchvision")
    assert refused.returncode == ExitCode.USAGE
    assert "decode is for the pipeline dali, and its pipeline is torchvision: omit decode" in refused.stderr


def test_a_loss_that_is_not_finite_is_that_outcome_at_that_step(ssdbench: Ssdbench, tmp_path: Path) -> None:
    from torchvision.models import resnet18

    poisoned = resnet18(weights=None)
    torch.nn.init.constant_(poisoned.layer3[0].conv1.weight, float("nan"))
    torch.save(poisoned.state_dict(), tmp_path / "poisoned.pth")
    grid = ("--workload", "train", "--backbone", "resnet18", "--pipeline", "resident", "--batch-size", "2")
    done = ssdbench("run", *grid, "--warmup", "0", "--steps", "2", "--launches", "1", "--weights", "poisoned.pth")
    assert done.returncode == ExitCode.CASE_FAILED
    (record,) = FileStore(tmp_path / "results").load("latest").records
    assert record.failure is not None
    assert record.failure.kind == "not_finite"
    assert "the loss of step 0 is nan" in record.failure.message


def test_an_image_that_breaks_after_the_check_is_bad_data_and_the_rest_of_the_run_is_kept(
    ssdbench: Ssdbench, start: Start, tmp_path: Path
) -> None:
    made = ssdbench("data", "synth", "images", "--train-images", "8", "--val-images", "4")
    assert made.returncode == 0, made.stderr
    grid = ("--workload", "pace,input", "--batch-size", "4", "--foreign-cpu", "64")
    protocol = ("--warmup", "0", "--steps", "2", "--launches", "1")
    process = start("run", *grid, *protocol, "--data", "images")
    while not list((tmp_path / "results/records").glob("*.jsonl")):  # begun, so checked
        assert process.poll() is None
        time.sleep(0.1)
    for image in (tmp_path / "images/train2017").iterdir():
        image.write_bytes(image.read_bytes()[:2000])
    assert process.wait(120) == ExitCode.CASE_FAILED
    records = {record.case.workload: record for record in FileStore(tmp_path / "results").load("latest").records}
    assert records["pace"].measurement is not None
    failure = records["input"].failure
    assert failure is not None
    assert failure.kind == "bad_data"
    assert "ssdbench data verify" in failure.message
