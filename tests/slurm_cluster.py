"""A real Slurm of two nodes on this machine, on loopback ports of its own: nothing of the system's is touched."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "sinfo")

# `closed` lets no job run for as long as ours may: they would wait for ever.
_CONFIGURATION = """
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0
SlurmUser=root
SlurmdUser=root
ReturnToService=2
KillWait=5
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
GresTypes=gpu
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} Gres=gpu:2
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} Gres=gpu:2
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE
PartitionName=closed Nodes=ALL MaxTime=1
"""
# Files that every machine has stand for GPUs.
_GPUS = "NodeName=node[1-2] Name=gpu File=/dev/null\nNodeName=node[1-2] Name=gpu File=/dev/zero\n"


def missing() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if absent := [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]:
        return f"needs Slurm ({', '.join(absent)}): ci/install-slurm.sh installs it"
    return None if os.geteuid() == 0 else "needs root, as whom its daemons run"


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Start a cluster that keeps its files in `folder`; yields the file that SLURM_CONF has to name."""
    configuration = folder / "slurm.conf"
    cpus = os.cpu_count() or 1
    configuration.write_text(_CONFIGURATION.format(folder=folder, ports=_free_ports(3), cpus=cpus))
    (folder / "gres.conf").write_text(_GPUS)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(configuration)}
    with ExitStack() as daemons:
        daemons.callback(_stop, folder)
        munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        for command in (
            # By force: the folders of tests are closed to other users, and nobody else has to reach it.
            ["munged", "--force", f"--socket={folder}/munge.socket", *munge],
            ["slurmctld", "-c"],
            ["slurmd", "-N", "node1"],
            ["slurmd", "-N", "node2"],
        ):
            done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{command[0]}: {done.stderr}"
        _wait_for_nodes(environment)
        yield configuration
        cancel_all(configuration)


def cancel_all(configuration: Path) -> None:
    """End all jobs, also those of a host that was killed; returns when none is left."""
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    subprocess.run(["scancel", f"--user={os.geteuid()}"], env=environment, check=True)
    deadline = time.monotonic() + 60
    while jobs(configuration, "--states=PENDING,RUNNING,COMPLETING"):
        assert time.monotonic() < deadline, "the jobs of the cluster did not end"
        time.sleep(0.2)


def jobs(configuration: Path, *more: str) -> list[list[str]]:
    """Number and state of every job that the controller remembers, newest last."""
    command = ["squeue", "--noheader", *(more or ("--states=all",)), "--format=%A %T", "--sort=i"]
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


def _wait_for_nodes(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    command = ["sinfo", "--noheader", "--Node", "--partition=debug", "--format=%T"]
    while True:
        states = subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout.split()
        if states == ["idle", "idle"]:
            return
        assert time.monotonic() < deadline, f"the nodes of the cluster did not come up: {states}"
        time.sleep(0.2)


def _stop(folder: Path) -> None:
    # The daemons that were started last go first.
    for name in ("slurmd-node1", "slurmd-node2", "slurmctld", "munge"):
        path = folder / f"{name}.pid"
        if path.exists():
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
