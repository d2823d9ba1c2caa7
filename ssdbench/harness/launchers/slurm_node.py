"""What a launch's job runs: `python -m ssdbench.harness.launchers.slurm_node CASE_JSON PYTHON [PORT]`.

sbatch starts it on the first node, where it becomes an srun that starts it on every node, with the port at which the
first one keeps the rendezvous; there it becomes the worker. A launch on one node takes the same road: Slurm sends
signals to every process of a step, and not to those of a batch script that lead sessions of their own.
"""

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from ssdbench.harness.launchers.torchrun import ALONE, launch_environment, worker_command
from ssdbench.harness.node import describe
from ssdbench.harness.stores.codec import read
from ssdbench.schema.case import LaunchRequest

# torch is imported on every node before it looks for the others, from a shared file system.
_RENDEZVOUS_SECONDS = 600


def main() -> NoReturn:
    """Become what this node has to run."""
    case_file, python, *port = sys.argv[1:]
    request = read(LaunchRequest, Path(case_file).read_text(encoding="utf-8"), case_file)
    if not port:
        _become_srun(request.case.nodes)
    if request.case.nodes == 1:
        _become_worker(request, python, ALONE)
    is_first = os.environ["SLURM_NODEID"] == "0"
    settings = f"is_host={int(is_first)},read_timeout={_RENDEZVOUS_SECONDS},join_timeout={_RENDEZVOUS_SECONDS}"
    address = os.environ["SLURM_LAUNCH_NODE_IPADDR"]
    _become_worker(request, python, (f"--rdzv-endpoint={address}:{port[0]}", f"--rdzv-conf={settings}"))


def _become_worker(request: LaunchRequest, python: str, rendezvous: tuple[str, ...]) -> NoReturn:
    assert request.source is not None
    describe(Path(request.output) / f"node-{os.environ['SLURM_NODEID']}.json")
    environment = launch_environment(request.case, Path(request.source))
    os.execve(python, worker_command(python, request, rendezvous), environment)


def _become_srun(nodes: int) -> NoReturn:
    # Every node's task has all processors of its node: ranks share them out among themselves.
    width = ["--ntasks-per-node=1", f"--cpus-per-task={os.environ['SLURM_CPUS_ON_NODE']}", "--cpu-bind=none"]
    itself = [sys.executable, "-m", "ssdbench.harness.launchers.slurm_node", *sys.argv[1:], str(_free_port())]
    os.execvp("srun", ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", *width, "--kill-on-bad-exit=1", *itself])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
