"""Two ranks of a training: what they send to each other, and that their first step is that of one rank.

BatchNorm takes its statistics per rank, as in the published model. So for equal first steps over the same global batch,
these must be the same: either both halves of the batch are alike, or BatchNorm is frozen. What remains is the order of
float32 sums.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ssdbench.runtime.device import Cpu
from ssdbench.runtime.distributed import SingleProcess
from ssdbench.ssd.model import SSD300
from tests.workloads.first_step import first_steps

pytestmark = pytest.mark.xdist_group("two-ranks")  # what its tests share is made once, by one worker

ROOT = Path(__file__).parents[2]
LARGEST_BUCKET_BYTES = 25 * 2**20  # DistributedDataParallel's default
LOSS_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-3  # of the largest gradient of the parameter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two ranks, from a single torchrun."""
    folder = tmp_path_factory.mktemp("two-ranks")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--rdzv-id=two-ranks"),
        *(str(Path(__file__).with_name("two_ranks.py")), str(folder)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=250)
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_step_averages_the_gradients_and_communicates_nothing_else(ranks: list[dict[str, Any]]) -> None:
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


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_one_and_two_ranks_take_the_same_first_step(folder: Path) -> None:
    of_one = first_steps(SingleProcess(Cpu(1, lambda: 0.0)))
    of_two = torch.load(folder / "first-steps.pt", weights_only=True)
    for mode in ("alike", "frozen"):
        one, two = of_one[mode], of_two[mode]
        assert two["loss"] == pytest.approx(one["loss"], rel=LOSS_TOLERANCE)
        assert one["gradients"].keys() == two["gradients"].keys()
        # Three boxes an image leave the heads of some levels without a positive and without a hard negative.
        assert sum(bool(gradient.any()) for gradient in one["gradients"].values()) > len(one["gradients"]) / 2
        for name, expected in one["gradients"].items():
            scale = float(expected.abs().max())
            assert float((two["gradients"][name] - expected).abs().max()) <= GRADIENT_TOLERANCE * scale, (mode, name)
