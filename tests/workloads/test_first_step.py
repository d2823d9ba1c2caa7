"""Two ranks and one rank take the same first step over the same global batch.

BatchNorm takes its statistics per rank, as in the published model, so for the equality to hold they must be the same:
either both halves of the batch are alike, or BatchNorm is frozen. What is left is the order of float32 sums.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
LOSS_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-3  # of the largest gradient of the parameter


def first_step(folder: Path, ranks: int, mode: str) -> dict[str, Any]:
    output = folder / f"{mode}-{ranks}.pt"
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id={mode}{ranks}"),
        *(str(Path(__file__).with_name("first_step.py")), str(output), mode),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    saved: dict[str, Any] = torch.load(output, weights_only=True)
    return saved


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["alike", "frozen"])
def test_one_and_two_ranks_take_the_same_first_step(tmp_path: Path, mode: str) -> None:
    one, two = first_step(tmp_path, 1, mode), first_step(tmp_path, 2, mode)
    assert two["loss"] == pytest.approx(one["loss"], rel=LOSS_TOLERANCE)
    assert one["gradients"].keys() == two["gradients"].keys()
    for name, expected in one["gradients"].items():
        scale = float(expected.abs().max())
        assert scale > 0, name
        assert float((two["gradients"][name] - expected).abs().max()) <= GRADIENT_TOLERANCE * scale, name
