"""A container that Slurm itself starts: a job step on this node, inside the step that waits for it.

Its environment has nothing of the host's but what srun needs to find its job: Slurm hands all of it on to the image.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.commands import container_name, engine_failure
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.launchers.local import Started
from ssdbench.harness.launchers.log_excerpt import excerpt
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.node_images import node_name
from ssdbench.harness.process import SOURCE, CommandResult, ProcessTree, last_line
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure

_OF_THE_JOB = ("SLURM_CONF", "SLURM_JOB_ID")
_POLL_SECONDS = 0.2


def step_command(options: ContainerOptions) -> Arguments:
    """The srun that begins a step on this node, with all its CPUs.

    Raises:
        EnvironmentLacksError: srun is missing here, or this is no job.
    """
    program, *words = options.engine.command
    found = shutil.which(program)
    if found is None:
        raise EnvironmentLacksError(f"{program} is not on the PATH of {node_name()}: install Slurm's commands there")
    job, cpus = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_CPUS_ON_NODE")
    if job is None or cpus is None:
        raise EnvironmentLacksError(f"engine {options.engine.name!r} works in a job alone: add --launcher slurm")
    return (found, *words, f"--jobid={job}", f"--nodelist={node_name()}", f"--cpus-per-task={cpus}")


def step_environment(options: ContainerOptions, variables: Mapping[str, str], gpu_uuids: Arguments) -> dict[str, str]:
    """The environment of a step: our variables, the user's, and the names of its GPUs for the hooks of NVIDIA."""
    of_the_job = {name: os.environ[name] for name in _OF_THE_JOB if name in os.environ}
    gpus = {"NVIDIA_VISIBLE_DEVICES": ",".join(gpu_uuids)} if gpu_uuids else {}
    return {**of_the_job, **gpus, **variables, **variable_values(options)}


class StepContainer:
    """A running step; `held` is closed when it has ended."""

    def __init__(
        self, image: ContainerImage, command: Arguments, environment: Mapping[str, str], log: Path, held: ExitStack
    ) -> None:
        self._image = image
        self._log = log
        self._held = held
        self._tree = ProcessTree(command, environment, log)

    def exit_code(self) -> int | None:
        """The exit code of srun, which is that of the program, None while it runs."""
        return self._tree.exit_code()

    def stop(self) -> None:
        """End the step."""
        try:
            self._tree.stop()
        finally:
            self._held.close()

    def failure(self) -> Failure | None:
        """Why the step ended before a worker began; None if the launch's folder tells more."""
        if not self._tree.exit_code() or (self._log.parent / "ranks").exists():
            return None
        log = excerpt(self._log)
        return engine_failure(f"{self._image.reference} cannot be run on {node_name()}", complaint(log))


def complaint(log: str) -> str:
    """What Slurm, or a plug-in or a runtime that it calls, says in its first error; else the last line."""
    errors = (line.strip() for line in log.splitlines() if "error" in line.lower())
    return next((line for line in errors if "Exited with exit code" not in line), last_line(log))


def ask(
    start: Callable[[Contents, Path], Started], program: Arguments, folder: Path | None = None
) -> CommandResult:  # fmt: skip
    """The output of a short program in an image, which can write to `folder`; `start` starts a container with a log."""
    with tempfile.TemporaryDirectory(prefix="ssdbench-") as made:
        log, where = Path(made) / "answer.log", folder or Path(made)
        contents = Contents(
            name=container_name(where), folder=where, package=SOURCE / "ssdbench", program=program
        )  # fmt: skip
        started = start(contents, log)
        try:
            while (code := started.exit_code()) is None:
                time.sleep(_POLL_SECONDS)
        finally:
            started.stop()
        text = log.read_text(encoding="utf-8", errors="replace")
    return CommandResult(exit_code=code, out=text, error=complaint(text))
