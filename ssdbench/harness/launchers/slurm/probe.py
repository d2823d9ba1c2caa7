"""Describes the nodes of a cluster before planning, by a short job on one whole node."""

import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.launchers.log_excerpt import excerpt
from ssdbench.harness.launchers.slurm.commands import Job, JobState, RefusedError, Resources, count_nodes, submit
from ssdbench.harness.launchers.slurm.shared_files import wait_for
from ssdbench.harness.machine.node import Node, read_node
from ssdbench.harness.process import SOURCE, last_line, worker_environment
from ssdbench.harness.version import source_commit
from ssdbench.schema.record import SlurmOptions

_POLL_SECONDS = 0.5
_MINUTES = 5


def probe_cluster(options: SlurmOptions, python: str, work_folder: Path) -> Node:
    """Have one node describe itself and the interpreter `python` there; waits in Slurm's queue.

    `work_folder` must be on a file system that the nodes share.

    Raises:
        UsageError: Slurm refuses the job, or can never start it.
        EnvironmentLacksError: Slurm is not installed here, or the node cannot run ssdbench.
    """
    file = probe_folder(work_folder) / "node.json"
    command = [sys.executable, "-m", "ssdbench.harness.machine.node", str(file), python]
    run_on_a_node("describes a node", command, file, options, minutes=_MINUTES)
    node = read_node(file)
    host = replace(node.machine.host, ssdbench_commit=source_commit(SOURCE))
    machine = replace(node.machine, host=host, nodes=count_nodes(options.partition))
    return replace(node, machine=machine)


def probe_folder(work_folder: Path) -> Path:
    """A new folder for a job that measures nothing."""
    folder = (work_folder / f"probe-{secrets.token_hex(4)}").absolute()
    folder.mkdir(parents=True)
    return folder


def run_on_a_node(
    what: str, command: Sequence[str], file: Path, options: SlurmOptions, *, minutes: int,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Have one whole node write `file`, in its folder; `what` the job does is named if it does not.

    Raises:
        UsageError, EnvironmentLacksError: as `probe_cluster`.
    """
    try:
        job = submit(command, file.parent, Resources(minutes=minutes), options, worker_environment(variables))
    except RefusedError as error:
        raise UsageError(f"Slurm refused the job that {what}: {error}; see --slurm") from None
    state = _wait(job, what)
    if state.state != "COMPLETED" or not wait_for(file):
        log = file.parent / "launch.log"
        reason = f"{last_line(excerpt(log))} (see {log})"
        raise EnvironmentLacksError(f"the job that {what} ended as {state.state}: {reason}")


def _wait(job: Job, what: str) -> JobState:
    try:
        while not (state := job.state()).has_ended:
            if state.hopeless_reason is not None:
                raise UsageError(f"the job that {what} can never start: {state.hopeless_reason}")
            time.sleep(_POLL_SECONDS)
    except BaseException:
        job.cancel()
        raise
    return state
