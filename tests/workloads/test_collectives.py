"""What two ranks say to each other: gradients in every step, BatchNorm's statistics only when they are asked for."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ssdbench.ssd.model import SSD300

ROOT = Path(__file__).parents[2]
LARGEST_BUCKET_BYTES = 25 * 2**20  # DistributedDataParallel's default


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("collectives")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--rdzv-id=collectives"),
        *(str(Path(__file__).with_name("collectives.py")), str(folder)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=200)
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
def test_a_step_averages_the_gradients_and_says_nothing_else(ranks: list[dict[str, Any]]) -> None:
    gradients = [rank["gradients"] for rank in ranks]
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name
    gradient_bytes = sum(gradient.numel() * 4 for gradient in gradients[0].values())
    for rank in ranks:
        assert set(rank["collectives_of_a_step"]) == {"allreduce_"}  # a broadcast would be of the buffers
        assert 2 <= rank["collectives_of_a_step"]["allreduce_"] <= 2 + gradient_bytes / LARGEST_BUCKET_BYTES * 2


@pytest.mark.slow
def test_the_statistics_of_batchnorm_are_each_ranks_own_until_they_are_shared(ranks: list[dict[str, Any]]) -> None:
    own, shared = [rank["own_buffers"] for rank in ranks], [rank["shared_buffers"] for rank in ranks]
    statistics = [name for name in own[0] if name.endswith(("running_mean", "running_var"))]
    assert len(statistics) == 50  # two of each of resnet18's 15 and the additional blocks' 10
    for name in statistics:
        assert not torch.equal(own[0][name], own[1][name]), name
    for name, buffer in own[0].items():
        assert torch.equal(shared[0][name], buffer), name
        assert torch.equal(shared[1][name], buffer), name
    assert all(rank["collectives_of_sharing"] == {"broadcast_": len(own[0])} for rank in ranks)
    assert len(own[0]) == len(list(SSD300("resnet18").buffers()))
