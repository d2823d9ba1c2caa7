"""`ssdbench converge`, whole: seeds trained by real processes, broken off in every way, and taken up again."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Record
from tests.cli.conftest import Ssdbench, Start

SUITE = """
name = "tiny"
device = "cpu"
protocol = {{ launches = 1, timeout_seconds = {timeout} }}
data = {{ train_images = 17, val_images = 5, seed = 1, easy = true }}

[[matrix]]
workload = "accuracy"
backbone = "resnet18"
pipeline = "{pipeline}"
precision = "fp32"
world_size = {ranks}
batch_size_per_gpu = 2
threads_per_rank = 1
options = {{ epochs = 2, validation = "0", warmup_iterations = {warmup}, base_learning_rate = {rate} }}
"""


def suite(
    folder: Path,
    *,
    ranks: int = 1,
    pipeline: str = "torchvision",
    timeout: int = 200,
    warmup: int = 2,
    rate: float = 0.02,
) -> str:
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(ranks=ranks, pipeline=pipeline, timeout=timeout, warmup=warmup, rate=rate))
    return str(path)


def only_training(results: Path) -> Path:
    (log,) = (results / "training").glob("*/*/training.json")
    return log.parent


def last_record(results: Path) -> Record:
    return FileStore(results).load("latest").records[-1]


def weights(results: Path) -> dict[str, torch.Tensor]:
    checkpoint: dict[str, Any] = torch.load(only_training(results) / "last.pt", weights_only=True)
    assert checkpoint["epoch"] == 2
    model: dict[str, torch.Tensor] = checkpoint["model"]
    return model


def workers(host: "psutil.Popen | Any") -> list[psutil.Process]:
    ranks = []
    for process in psutil.Process(host.pid).children(recursive=True):
        command = process.cmdline()
        if "ssdbench.worker" in command:
            ranks.append(process)
    return ranks


def wait_for_epoch(results: Path) -> None:
    """Return when the first epoch is finished and the second has begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for log in (results / "training").glob("*/*/training.json"):
            if json.loads(log.read_text())["results"] and (log.parent / "last.pt").exists():
                time.sleep(1.0)
                return
        time.sleep(0.05)
    raise TimeoutError("no epoch was finished")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_training_killed_with_its_host_ends_with_the_weights_of_an_undisturbed_one(
    ssdbench: Ssdbench, start: Start, tmp_path: Path
) -> None:
    asked = ("converge", "--suite", suite(tmp_path), "--results")
    done = ssdbench(*asked, "whole")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert (only_training(tmp_path / "whole") / "detections.png").read_bytes()[:4] == b"\x89PNG"
    told = ssdbench("report", "latest", "--results", "whole")
    assert told.stdout.startswith("Not judged: 1 seed of accuracy resnet18 torchvision fp32 trained, final AP"), (
        told.stderr
    )
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(re.findall('src="data:image/(?:png|jpeg);base64,', text)) == 1
    assert "every planned seed finished and was evaluated" in text
    kill_host_and_ranks(start(*asked, "all"), tmp_path / "all")
    require_resumed(ssdbench, tmp_path, "all")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_ranks_of_which_one_or_all_are_killed_end_with_the_weights_of_undisturbed_ones(
    ssdbench: Ssdbench, start: Start, tmp_path: Path
) -> None:
    asked = ("converge", "--suite", suite(tmp_path, ranks=2, pipeline="dali"), "--results")
    done = ssdbench(*asked, "whole")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr

    host = start(*asked, "one-rank")
    wait_for_epoch(tmp_path / "one-rank")
    workers(host)[-1].send_signal(signal.SIGKILL)
    _, errors = host.communicate()
    assert host.returncode == ExitCode.CASE_FAILED, errors
    record = last_record(tmp_path / "one-rank")
    assert record.failure is not None
    assert record.failure.kind == "crash"
    assert record.training is not None
    assert len(record.training.results) >= 1

    kill_host_and_ranks(start(*asked, "all"), tmp_path / "all")
    for broken in ("one-rank", "all"):
        require_resumed(ssdbench, tmp_path, broken)


def kill_host_and_ranks(host: "psutil.Popen | Any", results: Path) -> None:
    wait_for_epoch(results)
    for process in [psutil.Process(host.pid), *workers(host)]:
        process.send_signal(signal.SIGKILL)
    host.wait()
    assert not FileStore(results).load("latest").records


def require_resumed(ssdbench: Ssdbench, folder: Path, broken: str) -> None:
    resumed = ssdbench("converge", "--resume", "--results", broken)
    assert resumed.returncode == ExitCode.OK, resumed.stdout + resumed.stderr
    require_same_outcome(folder / "whole", folder / broken)
    records = len(FileStore(folder / broken).load("latest").records)
    assert ssdbench("converge", "--resume", "--results", broken).returncode == ExitCode.OK
    assert len(FileStore(folder / broken).load("latest").records) == records, "nothing was left to train"


def require_same_outcome(undisturbed: Path, broken: Path) -> None:
    whole, resumed = last_record(undisturbed).training, last_record(broken).training
    assert whole is not None
    assert resumed is not None
    assert whole.complete
    assert resumed.complete
    assert (whole.starts, resumed.starts) == (1, 2)
    assert [r.losses for r in whole.results] == [r.losses for r in resumed.results]
    assert [r.evaluation for r in whole.results] == [r.evaluation for r in resumed.results]
    expected, found = weights(undisturbed), weights(broken)
    assert expected.keys() == found.keys()
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]


@pytest.mark.slow
@pytest.mark.long
def test_a_loss_that_is_not_finite_is_the_outcome_at_its_step(ssdbench: Ssdbench, tmp_path: Path) -> None:
    # The rate is 0 in the first step, so the first epoch of a long warm-up is sound and a later one is not.
    done = ssdbench("converge", "--suite", suite(tmp_path, warmup=4000, rate=1e9))
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    record = last_record(tmp_path / "results")
    assert record.failure is not None
    assert record.failure.kind == "not_finite"
    assert "the loss of step" in record.failure.message
    assert record.training is not None
    assert not record.training.complete
    resumed = ssdbench("converge", "--resume")
    assert resumed.returncode == ExitCode.CASE_FAILED  # it is the seed's result, not an accident
    assert len(FileStore(tmp_path / "results").load("latest").records) == 1


@pytest.mark.long
def test_a_time_limit_keeps_the_epochs_before_it(ssdbench: Ssdbench, tmp_path: Path) -> None:
    path = Path(suite(tmp_path, timeout=45))  # two ranks beside other tests may need 25 s to their first epoch's end
    path.write_text(path.read_text().replace("epochs = 2", "epochs = 3000"))
    done = ssdbench("converge", "--suite", str(path))
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    record = last_record(tmp_path / "results")
    assert record.failure is not None
    assert record.failure.kind == "timeout"
    assert record.training is not None
    assert 1 <= len(record.training.results) < 3000
    assert (only_training(tmp_path / "results") / "last.pt").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with room for two checkpoints, and not for a third."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=280m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.long
def test_a_full_disk_keeps_the_epoch_before_it_and_a_larger_one_goes_on(
    ssdbench: Ssdbench, tmp_path: Path, small_disk: Path
) -> None:
    done = ssdbench("converge", "--suite", suite(tmp_path), "--results", str(small_disk))
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    record = last_record(small_disk)
    assert record.failure is not None
    assert record.failure.kind == "disk_full"
    assert "No space left on device" in record.failure.message
    assert "last.pt" in record.failure.message
    assert record.failure.last_step == 15  # the last of all: two epochs of 17 images in batches of 2
    checkpoint = torch.load(only_training(small_disk) / "last.pt", weights_only=True)
    assert checkpoint["epoch"] == 1
    subprocess.run(["mount", "-o", "remount,size=800m", str(small_disk)], check=True)
    resumed = ssdbench("converge", "--resume", "--results", str(small_disk))
    assert resumed.returncode == ExitCode.OK, resumed.stdout + resumed.stderr
    training = last_record(small_disk).training
    assert training is not None
    assert training.complete
    assert training.starts == 2


def test_a_wrong_recipe_is_one_sentence(ssdbench: Ssdbench, tmp_path: Path) -> None:
    for option, sentence in {
        "recipe=best": "option recipe = 'best' is not known",
        "epoch=3": "has no option 'epoch'",
        "epochs=0": "is no number of epochs",
        "validation=last": "is no list of epochs",
    }.items():
        done = ssdbench("converge", "--device", "cpu", "--backbone", "resnet18", "--option", option)
        assert done.returncode == ExitCode.USAGE
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    noise = ssdbench("converge", "--device", "cpu", "--pipeline", "resident")
    assert noise.returncode == ExitCode.ENVIRONMENT
    assert "from which nothing can be learned" in noise.stderr
    run = ssdbench("run", suite(tmp_path))
    assert run.returncode == ExitCode.USAGE
    assert "use `ssdbench converge`" in run.stderr
    speed = ssdbench("converge", "--suite", "smoke")
    assert speed.returncode == ExitCode.USAGE
    assert "measures speed" in speed.stderr
