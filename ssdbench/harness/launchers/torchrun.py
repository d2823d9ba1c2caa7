"""The command line and the environment of a worker, the same for all launchers."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.process import worker_environment
from ssdbench.harness.stores.codec import dump_request, read_measurement, read_training
from ssdbench.schema.case import HOST_PROCESS, Case, LaunchRequest
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training

CASE_FILE = "case.json"

# A free port, on a machine that has all ranks.
ONE_MACHINE = ("--rdzv-endpoint=127.0.0.1:0",)


def write_request(request: LaunchRequest, source: Path) -> Path:
    """Create the launch's folder with case.json, for a worker of this source tree; returns the file."""
    folder = Path(request.output)
    folder.mkdir(parents=True)
    case_file = folder / CASE_FILE
    case_file.write_text(dump_request(replace(request, source=str(source))), encoding="utf-8")
    return case_file


def worker_command(python: str, request: LaunchRequest, rendezvous: Sequence[str] = ONE_MACHINE) -> list[str]:
    """The command that starts the ranks of one machine; `rendezvous` are the arguments for finding the others."""
    case, folder = request.case, request.output
    return [
        *(python, "-m", "ssdbench.worker.launch", folder),
        *(f"--nnodes={case.nodes}", f"--nproc-per-node={case.ranks_per_node}"),
        *("--rdzv-backend=c10d", *rendezvous, f"--rdzv-id={Path(folder).name}"),
        *("--log-dir", f"{folder}/ranks", "--redirects", "3"),
        *("-m", "ssdbench.worker", f"{folder}/{CASE_FILE}"),
    ]


def launch_variables(case: Case, gpus: Sequence[GpuState]) -> dict[str, str]:
    """The variables that a worker needs, except for its import path.

    `gpus` are those of the machine that measures; rank r uses `gpus[r]`.
    """
    # By default CUDA numbers GPUs by speed, and NVML by PCI bus.
    variables = {"OMP_NUM_THREADS": str(case.threads_per_rank), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if case.nodes == 1:
        # All ranks are on this machine: gloo need not find a network interface by a host name that may not resolve.
        variables["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
    if case.device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""  # creates no context on a GPU that another measurement may use
    elif gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(visible_names(gpus[: case.ranks_per_node]))
    return variables


def visible_names(gpus: Sequence[GpuState]) -> list[str]:
    """The names of these GPUs for CUDA and container engines: UUIDs, or all indices if one has no UUID."""
    uuids = [gpu.uuid for gpu in gpus if gpu.uuid is not None]
    return uuids if len(uuids) == len(gpus) else [str(gpu.index) for gpu in gpus]


def launch_environment(case: Case, source: Path, gpus: Sequence[GpuState]) -> dict[str, str]:
    """The environment of a child process that imports ssdbench from `source` and uses these GPUs."""
    return worker_environment(launch_variables(case, gpus) | {HOST_PROCESS: str(os.getpid())}, source)


def result_file(request: LaunchRequest) -> Path:
    """The file that a successful launch writes; a training's log exists from its start."""
    if request.training_folder is not None:
        return Path(request.training_folder) / "training.json"
    return Path(request.output) / "measurement.json"


def read_result(request: LaunchRequest) -> Measurement | Training:
    """The content of `result_file`."""
    text = result_file(request).read_text(encoding="utf-8")
    return read_measurement(text) if request.training_folder is None else read_training(text)


def kept_result(request: LaunchRequest, failure: Failure) -> Measurement | Failure:
    """What a failed launch had measured before it failed, with that failure; the failure alone if it had not.

    A worker writes its measurement when the timed region is done, before the steps that show phases and its end.
    """
    if request.training_folder is not None or not result_file(request).is_file():
        return failure
    found = read_result(request)
    return replace(found, failed_afterwards=failure) if isinstance(found, Measurement) else failure
