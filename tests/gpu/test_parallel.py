"""Data-parallel training over NCCL: with one rank, and with two where there are two GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_average_their_gradients_over_nccl_and_keep_their_statistics(ranks: int, tmp_path: Path) -> None:
    if torch.cuda.device_count() < ranks:
        pytest.skip("needs two GPUs")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id=nccl-{ranks}"),
        *(str(Path(__file__).with_name("ranks.py")), str(tmp_path)),
    ]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = [torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True) for rank in range(ranks)]
    first, last = seen[0], seen[-1]
    if ranks == 1:
        assert first["losses"] == pytest.approx(first["bare_losses"], rel=1e-4)
    else:
        assert first["losses"] != last["losses"]  # each has images of its own
        means = [name for name in first["own_buffers"] if name.endswith("running_mean")]
        assert not any(torch.equal(first["own_buffers"][name], last["own_buffers"][name]) for name in means)
    for name, gradient in first["gradients"].items():
        assert torch.equal(gradient, last["gradients"][name]), name
    for name, buffer in first["own_buffers"].items():
        assert torch.equal(last["shared_buffers"][name], buffer), name
    for rank in seen:
        assert rank["said"] == [list(range(ranks)), "of rank 0"]
