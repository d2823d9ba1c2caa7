"""A launcher that ends a training when it has come to the end of its leg."""

from collections.abc import Callable
from pathlib import Path

from ssdbench.harness.gpu_group import Launcher
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.torchrun import read_left, result_file
from ssdbench.harness.legs import Leg
from ssdbench.harness.stores.codec import read_training
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training


class PausingLauncher:
    """Like `launcher`, for trainings that pause at the end of `leg`; they are whole when they have no epochs left.

    A worker reports an epoch when its checkpoint is on disk. What it has begun since then is repeated when the training
    goes on, from the very state of the checkpoint.
    """

    def __init__(self, launcher: Launcher, leg: Leg) -> None:
        self._launcher = launcher
        self._leg = leg

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Train to the end of the leg; a training that is there already, as after a kill, starts nothing."""
        so_far = self._paused(request)
        if so_far is not None:
            return so_far

        def watch(event: Event) -> None:
            on_event(event)
            if event["event"] == "epoch" and event["ap"] is not None and (training := self._paused(request)):
                raise _PausedError(training)

        try:
            outcome = self._launcher.launch(request, watch)
        except _PausedError as paused:
            return paused.training
        if isinstance(outcome, Training) and not outcome.complete:
            return Failure(kind="crash", message="the worker ended before its training was done")
        return outcome

    def _paused(self, request: LaunchRequest) -> Training | None:
        """The training so far, if it is at the end of the leg and has epochs left; None otherwise."""
        log = result_file(request)
        found = read_left(log, read_training) if Path(log).is_file() else None
        is_paused = isinstance(found, Training) and not found.complete and self._leg.is_enough(found)
        return found if isinstance(found, Training) and is_paused else None


class _PausedError(Exception):
    """Carries a training out of the launch that is ended."""

    def __init__(self, training: Training) -> None:
        super().__init__("paused")
        self.training = training
