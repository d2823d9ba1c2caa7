"""Rank r uses the GPU that the run assigns to it, by the variables that a worker is started with."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.launchers.torchrun import write_request
from ssdbench.harness.machine.node import read_node
from ssdbench.harness.process import SOURCE
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Failure
from tests.builders import a_case
from tests.harness.stubbed_nvml import beside_stub, compile_stub

GPUS = [
    GpuState(index=index, uuid=uuid, model="GPU", memory_bytes=None) for index, uuid in ((2, "GPU-c"), (0, "GPU-a"))
]


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter that keeps the variables it was started with in the folder of its launch, and fails."""
    path = tmp_path / "python"
    path.write_text('#!/bin/sh\nenv > "$3/environment"\nexit 3\n')
    path.chmod(0o755)
    return str(path)


def a_request(tmp_path: Path, **case: object) -> LaunchRequest:
    folder = tmp_path / "launch"
    return LaunchRequest(schema_version=EXCHANGE_VERSION, case=a_case(**case), launch=0, seed=1, output=str(folder))


def variables(request: LaunchRequest) -> dict[str, str]:
    lines = (Path(request.output) / "environment").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines) if name.startswith("CUDA_")}


@pytest.mark.parametrize(
    ("gpus", "case", "visible"),
    [
        (GPUS, {"device": "cuda", "world_size": 2}, "GPU-c,GPU-a"),
        (GPUS, {"device": "cuda", "world_size": 1}, "GPU-c"),
        ([GPUS[0], replace(GPUS[1], uuid=None)], {"device": "cuda", "world_size": 2}, "2,0"),
        (GPUS, {"device": "cpu", "world_size": 2}, ""),
        ([], {"device": "cuda"}, "GPU-of-the-user"),
    ],
)
def test_ranks_on_this_machine_are_given_the_gpus_of_the_case_in_the_order_of_the_run(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    gpus: list[GpuState], case: dict[str, object], visible: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-of-the-user")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    request = a_request(tmp_path, **case)
    outcome = LocalLauncher(python, gpus=gpus).launch(request, print)
    assert isinstance(outcome, Failure)  # it measured nothing
    assert variables(request) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}


@pytest.mark.parametrize(
    ("given", "stub", "visible"),
    [
        ("1,0", {}, "GPU-one,GPU-zero"),  # as Slurm lists them, and in which order the node describes itself
        ("0,1,2", {"NVML_STUB_COUNT": "3", "NVML_STUB_NAME0": "Other"}, "GPU-zero"),
        ("0,1", {"NVML_STUB_DOWN": "1"}, "0,1"),  # CUDA may know more than NVML
    ],
)
def test_ranks_on_a_node_of_a_cluster_are_given_the_gpus_that_the_node_names(
    python: str, tmp_path: Path, given: str, stub: dict[str, str], visible: str
) -> None:
    ranks = 1 if stub.get("NVML_STUB_NAME0") else 2
    request = a_request(tmp_path, device="cuda", world_size=ranks)
    case_file = write_request(request, SOURCE)
    library = tmp_path / "library"
    library.mkdir()
    slurm = {"SLURM_NODEID": "0", "SLURMD_NODENAME": "n0", "CUDA_VISIBLE_DEVICES": given}
    module = ("-m", "ssdbench.harness.launchers.slurm.node", str(case_file), python, "0")
    beside_stub(compile_stub(library), *module, exit_code=3, **slurm, **stub)
    assert variables(request) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}
    named = [gpu.uuid for gpu in read_node(Path(request.output) / "node-0.json").machine.host.gpus]
    assert named == ([] if stub.get("NVML_STUB_DOWN") else visible.split(","))


@pytest.mark.gpu
def test_cuda_finds_the_gpus_that_the_record_names_in_their_order() -> None:
    """torch's name and memory of each device against NVML's, and its UUID where torch tells it."""
    from ssdbench.harness.launchers.torchrun import launch_environment
    from ssdbench.harness.machine.probe import gpu_states
    from ssdbench.harness.process import run_command

    gpus = tuple(reversed(gpu_states()))
    case = a_case(device="cuda", world_size=len(gpus))
    code = (
        "import torch\n"
        "for index in range(torch.cuda.device_count()):\n"
        "    found = torch.cuda.get_device_properties(index)\n"
        "    print(found.name, found.total_memory, getattr(found, 'uuid', ''), sep='|')\n"
    )
    answer = run_command([sys.executable, "-c", code], launch_environment(case, SOURCE, gpus))
    assert answer.exit_code == 0, answer.error
    found = [line.split("|") for line in answer.out.splitlines()]
    assert [name for name, _, _ in found] == [gpu.model for gpu in gpus]
    for (_, memory_bytes, uuid), gpu in zip(found, gpus, strict=True):
        assert gpu.memory_bytes is None or int(memory_bytes) == pytest.approx(gpu.memory_bytes, rel=0.05)
        assert not uuid or gpu.uuid is None or f"GPU-{uuid}" == gpu.uuid or gpu.uuid.startswith("MIG-")
