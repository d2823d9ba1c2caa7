"""Too little shared memory ends a launch at once, in a sentence; it does not hang until the time limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines.shared_memory import require_shared_memory, worker_ended
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import synthesise
from tests.ssd.planting import RECIPE, ignore_progress

# Reads batches of the torchvision pipeline; a file takes the shared memory away once the workers have started.
READ = """
import os, sys
from pathlib import Path
import torch
from ssdbench.ssd.coco import load_prepared
from ssdbench.ssd.pipelines import torchvision
from ssdbench.ssd.pipelines.contract import PipelineOptions

data, filled = Path(sys.argv[1]), sys.argv[2] == "filled"
options = PipelineOptions(
    batch_size_per_gpu=8, device=torch.device("cpu"), threads=1, data=load_prepared(data).train, seed=1
)
try:
    pipeline = torchvision.training(options)
    if filled:
        room = os.statvfs("/dev/shm")
        with open("/dev/shm/filler", "wb") as file:
            file.write(bytes(room.f_bavail * room.f_frsize - 2**19))
    for batch in pipeline.epoch():
        print("a batch", flush=True)
except MemoryError as error:
    print("MemoryError:", error, flush=True)
os._exit(0)
"""


def read(folder: Path, megabytes: int, how: str) -> str:
    """What a process prints that reads batches in a mount namespace with so much shared memory."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount a small /dev/shm")
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm"
    command = ["unshare", "-m", "sh", "-c", f'{mount} || exit 77; exec "$@"', "sh", sys.executable, "-c", READ]
    done = subprocess.run([*command, str(folder), how], capture_output=True, text=True, timeout=100)
    if done.returncode == 77:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    return done.stdout + done.stderr[-2000:]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("data")
    assert synthesise(folder / "coco", RECIPE, ignore_progress)
    return prepare(folder / "coco", folder / "cache", ignore_progress)


@pytest.mark.slow
@pytest.mark.fault("B19", "a /dev/shm of 4 MB, where the workers of the torchvision pipeline need 8")
def test_too_little_shared_memory_is_said_before_anything_is_read(data: Prepared) -> None:
    said = read(data.path, 4, "as it is")
    assert "MemoryError: 1 processes of the torchvision pipeline need 7 MiB of shared memory, /dev/shm has 4" in said
    assert "a batch" not in said


@pytest.mark.slow
@pytest.mark.fault("B19", "/dev/shm is filled by another process while the torchvision pipeline reads")
def test_a_worker_that_cannot_send_its_batch_ends_the_pipeline(data: Prepared) -> None:
    said = read(data.path, 64, "filled")
    assert "MemoryError: a process of the torchvision pipeline ended for want of shared memory, of which " in said


@pytest.mark.fault("B19", "too little shared memory for the workers of a case, by the numbers")
def test_what_the_workers_need_is_compared_with_what_is_free(tmp_path: Path) -> None:
    require_shared_memory(2, 2**20, tmp_path)
    require_shared_memory(0, 2**60, tmp_path)  # no workers, which share nothing
    require_shared_memory(2, 2**60, tmp_path / "absent")  # another system
    with pytest.raises(MemoryError, match=r"2 processes .* MiB free: enlarge it \(docker: --shm-size"):
        require_shared_memory(2, 2**60, tmp_path)


@pytest.mark.fault("B19", "a worker of a DataLoader is killed by a bus error, by the kernel, or fails by itself")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that", MemoryError),
        ("DataLoader worker (pid(s) 7) exited unexpectedly", MemoryError),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", RuntimeError),
        ("stack expects each tensor to be equal size", RuntimeError),
    ],
)
def test_only_a_worker_that_lacked_shared_memory_is_reported_as_that(text: str, kind: type[Exception]) -> None:
    assert type(worker_ended(RuntimeError(text))) is kind
