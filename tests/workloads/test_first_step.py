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


def first_steps(folder: Path, ranks: int) -> dict[str, Any]:
    output = folder / f"{ranks}.pt"
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id=first-step-{ranks}"),
        *(str(Path(__file__).with_name("first_step.py")), str(output)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    saved: dict[str, Any] = torch.load(output, weights_only=True)
    return saved


@pytest.mark.slow
def test_one_and_two_ranks_take_the_same_first_step(tmp_path: Path) -> None:
    of_one, of_two = first_steps(tmp_path, 1), first_steps(tmp_path, 2)
    for mode in ("alike", "frozen"):
        one, two = of_one[mode], of_two[mode]
        assert two["loss"] == pytest.approx(one["loss"], rel=LOSS_TOLERANCE)
        assert one["gradients"].keys() == two["gradients"].keys()
        # Three boxes an image leave the heads of some levels without a positive and without a hard negative.
        assert sum(bool(gradient.any()) for gradient in one["gradients"].values()) > len(one["gradients"]) / 2
        for name, expected in one["gradients"].items():
            scale = float(expected.abs().max())
            assert float((two["gradients"][name] - expected).abs().max()) <= GRADIENT_TOLERANCE * scale, (mode, name)
