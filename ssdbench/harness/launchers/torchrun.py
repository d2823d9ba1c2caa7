"""The command line and the environment of a worker, the same for all launchers."""

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ssdbench.errors import StoreError
from ssdbench.harness.cache import cache_error
from ssdbench.harness.launchers.left_files import MOST_BYTES, read_bytes
from ssdbench.harness.process import worker_environment
from ssdbench.harness.stores.codec import dump_request, read_measurement, read_training
from ssdbench.schema.case import HOST_PROCESS, Case, LaunchRequest
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training

R = TypeVar("R")

CASE_FILE = "case.json"

# For workers of an ssdbench up to 0.2.0, which start torchrun on one machine as well: a free port.
ONE_MACHINE = ("--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1")


def write_request(request: LaunchRequest, source: Path) -> Path:
    """Create the launch's folder with case.json, for a worker of this source tree; returns the file.

    Raises:
        CacheFullError: there is no room for it.
        EnvironmentLacksError: the cache cannot be written to.
    """
    folder = Path(request.output)
    case_file = folder / CASE_FILE
    try:
        folder.mkdir(parents=True)
        case_file.write_text(dump_request(replace(request, source=str(source))), encoding="utf-8")
    except OSError as error:
        raise cache_error(error) from None
    return case_file


def new_rendezvous_id() -> str:
    """A name of a launch's rendezvous that a stranger cannot guess: whoever knows it can take part."""
    return secrets.token_hex(16)


def worker_command(
    python: str, request: LaunchRequest, rendezvous: Sequence[str] = ONE_MACHINE, rendezvous_id: str | None = None
) -> list[str]:
    """The command that starts the ranks of one machine.

    `rendezvous` are torchrun's arguments for finding the other machines, which are given the same `rendezvous_id`.
    """
    case, folder = request.case, request.output
    return [
        *(python, "-m", "ssdbench.worker.launch", folder),
        *(f"--nnodes={case.nodes}", f"--nproc-per-node={case.ranks_per_node}"),
        *("--rdzv-backend=c10d", *rendezvous, f"--rdzv-id={rendezvous_id or new_rendezvous_id()}", "--max-restarts=0"),
        *("--log-dir", f"{folder}/ranks", "--redirects", "3"),
        *("-m", "ssdbench.worker", f"{folder}/{CASE_FILE}"),
    ]


def launch_variables(case: Case, gpus: Sequence[GpuState]) -> dict[str, str]:
    """The variables that a worker needs, except for its import path.

    `gpus` are those of the machine that measures; rank r uses `gpus[r]`.
    """
    # By default CUDA numbers GPUs by speed, and NVML by PCI bus.
    variables = {"OMP_NUM_THREADS": str(case.threads_per_rank), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    # Torch's own default, 3, leaves a rank whose peer is lost waiting for the launch to be stopped; torchrun sets 1.
    variables["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = os.environ.get("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
    if case.nodes == 1:
        # All ranks are on this machine: nothing listens where others could connect, whatever is set for larger jobs,
        # and gloo need not find a network interface by a host name that may not resolve.
        variables |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "=lo"}
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


def read_result(request: LaunchRequest) -> Measurement | Training | Failure:
    """The content of `result_file`; a failure if that is no result."""
    path = result_file(request)
    return read_left(path, lambda text: (read_measurement if request.training_folder is None else read_training)(text))


def read_left(path: Path, read: Callable[[bytes], R]) -> R | Failure:
    """What the worker wrote to a file; a failure if that cannot be read."""
    content = read_bytes(path, MOST_BYTES)
    if content is None:
        return Failure(kind="crash", message=f"bad measurement: {path.name} cannot be read")
    try:
        return read(content)
    except (StoreError, RecursionError) as error:
        # Its remedy, to repair the file, is for files that a user keeps.
        return Failure(kind="crash", message=f"bad measurement: {str(error).partition(';')[0]}")


def kept_result(request: LaunchRequest, failure: Failure) -> Measurement | Failure:
    """What a failed launch had measured before it failed, with that failure; the failure alone if it had not.

    A worker writes its measurement when the timed region is done, before the steps that show phases and its end.
    """
    if request.training_folder is not None or not result_file(request).is_file():
        return failure
    found = read_result(request)
    return replace(found, failed_afterwards=failure) if isinstance(found, Measurement) else failure
