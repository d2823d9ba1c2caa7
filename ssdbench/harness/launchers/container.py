"""Launches inside a container image, which is measured unchanged.

The folder of the launch is the only writable one: it has case.json, and gets the events and the result.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ssdbench.harness.containers.commands import (
    SOURCE_INSIDE,
    container_command,
    container_name,
    container_state,
    engine_failure,
    remove_container,
)
from ssdbench.harness.containers.given_variables import given_variables, variable_values
from ssdbench.harness.launchers.diagnosis import LOG
from ssdbench.harness.launchers.following import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.launchers.log_excerpt import excerpt
from ssdbench.harness.launchers.own_cpu import OwnCpu
from ssdbench.harness.launchers.torchrun import launch_variables, visible_names, worker_command
from ssdbench.harness.machine.worker_python import WorkerPython, missing_gpu_code, missing_software
from ssdbench.harness.process import SOURCE, ProcessTree, last_line
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.environment import GpuState, Hardware
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import ContainerImage, Failure, Measurement
from ssdbench.schema.training import Training
from ssdbench.schema.variables import mask_secrets

# Exit codes of docker and podman if no worker was started: engine error, not executable, no such program.
_NOT_STARTED = (125, 126, 127)
# Exit codes if a signal ended the container's first process, which is not a rank.
_BY_SIGNAL = {137: "SIGKILL", 143: "SIGTERM", 130: "SIGINT"}


class ContainerLauncher(LocalLauncher):
    """Starts workers in `image`; `data_folder` has the data set, `gpus` are those that may be used, in order.

    With `hardware`, a launch fails at once if the image's torch was not compiled for its GPUs.
    """

    def __init__(
        self, options: ContainerOptions, image: ContainerImage, data_folder: Path | None, gpus: Sequence[GpuState] = (),
        source: Path = SOURCE, hardware: Hardware | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options.python, SOURCE_INSIDE, gpus)
        self._hardware = hardware
        self._options = options
        self._image = image
        self._data_folder = data_folder
        self._package = source / "ssdbench"

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        # Processes in a container do not see this one and count its work as other processes' work: subtract it.
        own = OwnCpu()

        def on_any_event(event: Event) -> None:
            own.on_event(event)
            on_event(event)

        outcome = super().launch(request, on_any_event)
        if isinstance(outcome, Failure):
            return self._without_secrets(outcome)
        return own.without_own(outcome) if isinstance(outcome, Measurement) else outcome

    def evaluate(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> CheckpointEvaluation | Failure:
        outcome = super().evaluate(request, on_event)
        return self._without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    def profile(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> LaunchProfile | Failure:
        outcome = super().profile(request, on_event)
        return self._without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    def _without_secrets(self, failure: Failure) -> Failure:
        """The failure without the values that only the container was given, which its log may show."""
        values = variable_values(self._options)
        log = failure.log and mask_secrets(failure.log, values)
        return replace(failure, message=mask_secrets(failure.message, values), log=log)

    def _start(self, request: LaunchRequest) -> "_Container | Failure":
        if self._image.failure is not None:
            return self._image.failure
        worker = WorkerPython(
            executable=f"{self._python} in {self._image.reference}",
            version=self._image.python or "",
            packages=self._image.packages,
            has_cpp_compiler=True,  # if there is none, the worker reports it
            gpu_code=self._image.gpu_code,
        )
        reason = missing_software(request.case, worker)
        if reason is None and self._hardware is not None:
            reason = missing_gpu_code(request.case, self._hardware, worker)
        if reason is not None:
            return Failure(kind="unsupported", message=reason)
        return _Container(self._options, self._image, partial(self.command, request), Path(request.output))

    def command(self, request: LaunchRequest, given: Arguments) -> Arguments:
        """The engine's command line for a launch; `given` are the words for the user's variables."""
        folder, case = Path(request.output), request.case
        return container_command(
            self._options,
            self._image,
            container=container_name(folder),
            folder=folder,
            package=self._package,
            read_only=self._read_only(request),
            given=given,
            # Engines show GPUs in PCI order, whatever order was requested, and with indices of their own.
            variables=launch_variables(case, [gpu for gpu in self._gpus if gpu.uuid]),
            gpu_uuids=visible_names(self._gpus[: case.world_size]) if case.device == "cuda" else (),
            program=worker_command(self._python, request),
        )

    def _read_only(self, request: LaunchRequest) -> list[Path]:
        found = [] if request.prepared_data is None else [Path(request.prepared_data).parent]
        if self._data_folder is not None and request.prepared_data is not None:
            found.append(self._data_folder)
        if request.backbone_weights is not None and Path(request.backbone_weights).is_file():
            found.append(Path(request.backbone_weights))
        if request.checkpoint is not None:
            found.append(Path(request.checkpoint))
        return found


class _Container:
    """A running container, which outlives the engine's client if only that is killed."""

    def __init__(
        self, options: ContainerOptions, image: ContainerImage, command: Callable[[Arguments], Arguments], folder: Path
    ) -> None:
        self._engine = options.engine
        self._image = image
        self._name = container_name(folder)
        self._log = folder / LOG
        self._state: dict[str, Any] = {}
        self._until_stopped = ExitStack()
        with ExitStack() as stack:
            given = stack.enter_context(given_variables(options))
            self._tree = ProcessTree(command(given.words), given.environment, self._log)
            self._until_stopped = stack.pop_all()

    def exit_code(self) -> int | None:
        return self._tree.exit_code()

    def stop(self) -> None:
        try:
            if self._engine.state:
                self._state = container_state(self._engine, self._name)
        finally:
            remove_container(self._engine, self._name)
            self._tree.stop()
            self._until_stopped.close()

    def failure(self) -> Failure | None:
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
