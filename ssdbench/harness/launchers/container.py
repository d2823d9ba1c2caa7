"""Launches inside a container image on this machine; the image is measured unchanged.

The folder of the launch is writable: it has case.json, and gets the events and the result. So is that of a training,
which has its checkpoints. Nothing else is.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.containers.commands import SOURCE_INSIDE
from ssdbench.harness.containers.overlays import ask_for_hashes
from ssdbench.harness.launchers.diagnosis import LOG
from ssdbench.harness.launchers.following import Event
from ssdbench.harness.launchers.images import MeasuredImage, contents_of
from ssdbench.harness.launchers.local import LocalLauncher, Started
from ssdbench.harness.launchers.own_cpu import OwnCpu
from ssdbench.harness.launchers.torchrun import worker_command
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.engine import EngineWay, engine_command
from ssdbench.harness.process import SOURCE
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.environment import GpuState, Hardware
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.limits import LimitsAnswer
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import ContainerImage, Failure, Measurement
from ssdbench.schema.training import Training


class ContainerLauncher(LocalLauncher):
    """Starts workers in `image`; `data_folder` has the data set, `gpus` are those that may be used, in order.

    With `hardware`, a launch fails at once if the image's torch was not compiled for its GPUs.
    """

    def __init__(
        self, options: ContainerOptions, image: ContainerImage, data_folder: Path | None, gpus: Sequence[GpuState] = (),
        source: Path = SOURCE, hardware: Hardware | None = None, stop: threading.Event | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options.python, SOURCE_INSIDE, gpus, stop)
        self._measured = MeasuredImage(
            options=options, image=image, data_folder=data_folder, source=source, hardware=hardware
        )

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        # Processes in a container do not see this one and count its work as other processes' work: subtract it.
        own = OwnCpu()

        def on_any_event(event: Event) -> None:
            own.on_event(event)
            on_event(event)

        outcome = super().launch(request, on_any_event)
        if isinstance(outcome, Failure):
            return self._measured.without_secrets(outcome)
        return own.without_own(outcome) if isinstance(outcome, Measurement) else outcome

    def evaluate(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> CheckpointEvaluation | Failure:
        outcome = super().evaluate(request, on_event)
        return self._measured.without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    def profile(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> LaunchProfile | Failure:
        outcome = super().profile(request, on_event)
        return self._measured.without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    def find_limits(self, request: LaunchRequest) -> LimitsAnswer | Failure:
        outcome = super().find_limits(request)
        return self._measured.without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    def _start(self, request: LaunchRequest) -> Started | Failure:
        failure = self._measured.unusable(request.case)
        if failure is not None:
            return failure
        if request.training_folder is not None:
            _make(Path(request.training_folder))
        measured = self._measured
        ask_for_hashes(Path(request.output), measured.image)
        way = EngineWay(measured.options)
        return way.start(measured.image, self._contents(request), Path(request.output) / LOG)

    def command(self, request: LaunchRequest, given: Arguments) -> Arguments:
        """The engine's command line for a launch; `given` are the words for the user's variables."""
        return engine_command(self._measured.options, self._measured.image, self._contents(request), given)

    def _contents(self, request: LaunchRequest) -> Contents:
        package, read_only = self._measured.source / "ssdbench", self._measured.read_only(request)
        return contents_of(request, package, read_only, self._gpus, worker_command(self._python, request))


def _make(folder: Path) -> None:
    """Make a folder that is to be mounted: an engine would make one that belongs to root."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); choose another folder for results") from None
