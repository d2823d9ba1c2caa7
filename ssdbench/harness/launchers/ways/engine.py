"""The way by a container engine on this machine: docker, podman, apptainer, enroot, or one of the user's."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ssdbench.harness.containers.commands import (
    container_command,
    container_state,
    engine_failure,
    remove_container,
    remove_leftovers,
)
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.containers.given_variables import given_variables
from ssdbench.harness.containers.images import PULL_SECONDS, inspect_image
from ssdbench.harness.launchers.log_excerpt import excerpt
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.node_images import by_digest, node_name, one_at_a_time
from ssdbench.harness.process import ProcessTree, last_line, run_command
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure

# Exit codes of docker and podman if no worker was started: engine error, not executable, no such program.
_NOT_STARTED = (125, 126, 127)
# Exit codes if a signal ended the container's first process, which is not a rank.
_BY_SIGNAL = {137: "SIGKILL", 143: "SIGTERM", 130: "SIGINT"}


class EngineWay:
    """Runs programs by the engine of `options`, which keeps the images that it has pulled."""

    def __init__(self, options: ContainerOptions) -> None:
        self._options = options
        self._engine = options.engine

    def inspect(self, reference: str) -> ContainerImage:
        """Pull an image if it is missing, and describe it."""
        return inspect_image(self._options, reference)

    def fetch(self, image: ContainerImage) -> Failure | None:
        """Pull an image by its digest if it is missing; containers whose launch has died are removed."""
        remove_leftovers(self._engine)
        if not self._engine.inspect:  # the engine reads a file, or keeps its own cache
            return None
        with one_at_a_time(self._options, image.id or image.reference):
            return None if self._is_here(image) else self._pull(image)

    def start(self, image: ContainerImage, contents: Contents, log: Path) -> "EngineContainer":
        """Start a container."""
        return EngineContainer(self._options, image, contents, log)

    def _is_here(self, image: ContainerImage) -> bool:
        inspect = fill_in(self._engine.inspect, image=image.id or image.reference)
        return run_command((*self._engine.command, *inspect)).exit_code == 0

    def _pull(self, image: ContainerImage) -> Failure | None:
        what = f"{image.reference} cannot be pulled on {node_name()}"
        if image.digest is None or not self._engine.pull:
            return engine_failure(what, f"{image.id} is not there, and has no digest: push it to a registry")
        pull = fill_in(self._engine.pull, image=by_digest(image))
        pulled = run_command((*self._engine.command, *pull), timeout_seconds=PULL_SECONDS)
        if pulled.exit_code:
            return engine_failure(what, last_line(pulled.error))
        return None if self._is_here(image) else engine_failure(what, f"{by_digest(image)} is not {image.id} there")


def engine_command(options: ContainerOptions, image: ContainerImage, contents: Contents, given: Arguments) -> Arguments:
    """The engine's command line; `given` are the words for the user's variables."""
    return container_command(
        options,
        image,
        container=contents.name,
        folder=contents.folder,
        package=contents.package,
        read_only=contents.read_only,
        variables=contents.variables,
        given=given,
        gpu_uuids=contents.gpu_uuids,
        program=contents.program,
        network=contents.network,
        writable=contents.writable,
    )


class EngineContainer:
    """A running container, which outlives the engine's client if only that is killed."""

    def __init__(self, options: ContainerOptions, image: ContainerImage, contents: Contents, log: Path) -> None:
        self._engine = options.engine
        self._image = image
        self._name = contents.name
        self._log = log
        self._state: dict[str, Any] = {}
        self._until_stopped = ExitStack()
        with ExitStack() as stack:
            given = stack.enter_context(given_variables(options))
            command = engine_command(options, image, contents, given.words)
            self._tree = ProcessTree(command, given.environment, log)
            self._until_stopped = stack.pop_all()

    def exit_code(self) -> int | None:
        """The exit code of the engine's client, None while it runs."""
        return self._tree.exit_code()

    def stop(self) -> None:
        """End the container."""
        try:
            if self._engine.state:
                self._state = container_state(self._engine, self._name)
        finally:
            remove_container(self._engine, self._name)
            self._tree.stop()
            self._until_stopped.close()

    def failure(self) -> Failure | None:
        """Why the container ended, where the engine knows; None if the launch's folder tells more."""
        log = excerpt(self._log)
        if self._state.get("OOMKilled"):
            message = f"the container of {self._image.reference} was killed at its memory limit"
            return Failure(kind="out_of_memory", message=message, log=log, memory="host")
        code = self._tree.exit_code() or 0
        if self._engine.state and code in _NOT_STARTED:
            return engine_failure(f"{self._image.reference} cannot be run", last_line(log))
        if self._engine.state and code in _BY_SIGNAL:
            message = f"the container of {self._image.reference} was ended from outside by {_BY_SIGNAL[code]}"
            return Failure(kind="crash", message=message, log=log)
        return None
