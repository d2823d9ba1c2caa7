"""The program of a launch's job: `python -m ssdbench.harness.launchers.slurm.node CASE_JSON PYTHON [PORT ID]`.

sbatch starts it on the first node, where it replaces itself by an srun that starts it again on every node, with the
port and the name of the rendezvous on the first one. There it replaces itself by the worker; with GPUs or an image it
starts the worker, samples the GPUs, and ends its container. Launches on one node use srun as well: Slurm signals every
process of a step, but not the processes of a batch script that lead sessions of their own.
"""

import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from ssdbench.harness.launchers.slurm.image_step import handed_over, run_in_image
from ssdbench.harness.launchers.slurm.watch import run_watched
from ssdbench.harness.launchers.torchrun import launch_environment, new_rendezvous_id, worker_command
from ssdbench.harness.machine.node import describe
from ssdbench.harness.process import run_in_foreground
from ssdbench.harness.stores.codec import read
from ssdbench.schema.case import LaunchRequest

# Every node first imports torch, from a shared file system.
_RENDEZVOUS_SECONDS = 600


def main() -> NoReturn:
    """Replace this process by the program that this node has to run."""
    case_file, python, *meeting = sys.argv[1:]
    request = read(LaunchRequest, Path(case_file).read_text(encoding="utf-8"), case_file)
    if not meeting:
        _become_srun(request.case.nodes)
    if request.case.nodes == 1:
        _become_worker(request, python, worker_command(python, request))
    port, rendezvous_id = meeting
    is_first = os.environ["SLURM_NODEID"] == "0"
    settings = f"is_host={int(is_first)},read_timeout={_RENDEZVOUS_SECONDS},join_timeout={_RENDEZVOUS_SECONDS}"
    address = os.environ["SLURM_LAUNCH_NODE_IPADDR"]
    rendezvous = (f"--rdzv-endpoint={address}:{port}", f"--rdzv-conf={settings}")
    _become_worker(request, python, worker_command(python, request, rendezvous, rendezvous_id))


def _become_worker(request: LaunchRequest, python: str, command: list[str]) -> NoReturn:
    assert request.source is not None
    folder, number = Path(request.output), os.environ["SLURM_NODEID"]
    node = describe(folder / f"node-{number}.json")
    gpus = node.machine.host.gpus[: request.case.ranks_per_node]
    # If NVML finds fewer GPUs than there are ranks, the selection made by Slurm is kept.
    known = gpus if len(gpus) == request.case.ranks_per_node else ()
    # A training is judged by its curve, whatever state the GPU is in.
    is_watched = request.case.device == "cuda" and request.training_folder is None and bool(gpus)
    handed = handed_over(folder)
    if handed is not None:
        run = partial(run_in_image, request, handed, known, command)
    else:
        environment = launch_environment(request.case, Path(request.source), known)
        if not is_watched:
            os.execve(python, command, environment)
        run = partial(run_in_foreground, command, environment)
    sys.exit(run_watched(run, gpus, node.name, folder / f"gpus-{number}.json") if is_watched else run())


def _become_srun(nodes: int) -> NoReturn:
    # The task of each node gets all CPUs of its node, which the ranks share.
    width = ["--ntasks-per-node=1", f"--cpus-per-task={os.environ['SLURM_CPUS_ON_NODE']}", "--cpu-bind=none"]
    itself = [sys.executable, "-m", "ssdbench.harness.launchers.slurm.node", *sys.argv[1:]]
    itself += [str(_free_port()), new_rendezvous_id()]
    os.execvp("srun", ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", *width, "--kill-on-bad-exit=1", *itself])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
