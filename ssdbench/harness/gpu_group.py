"""Launches on a group of GPUs of a machine, or on all of them: what starts them, and what is known of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from ssdbench.harness.launchers.following import Event
from ssdbench.harness.launchers.torchrun import CASE_FILE
from ssdbench.harness.machine.gpu_conditions import case_gpus
from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.validity import Validity
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.environment import Host
from ssdbench.schema.plausibility import implausibility
from ssdbench.schema.record import Arm, Failure, Measurement
from ssdbench.schema.training import Training

Outcome = Measurement | Training | Failure

# What a launch whose GPU is lost ends with: a CUDA error, lost peers, or a timeout.
_BY_A_LOST_GPU = ("crash", "lost", "timeout")


class Launcher(Protocol):
    """Starts the worker of a launch, and follows it to its end."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch; its files are kept in `request.output`, those of a training in `request.training_folder`."""


@runtime_checkable
class QueuedLauncher(Launcher, Protocol):
    """A launcher with a queue, such as Slurm's: several launches can be pending, and they outlive the host process.

    It monitors the GPUs of its launches itself, as they are on other machines.
    """

    jobs: int

    def submit(self, request: LaunchRequest) -> None:
        """Submit a launch before its turn; `launch` with the same request collects it."""

    def holds(self, folder: Path) -> bool:
        """Whether the launch with this output folder is pending or running, or has ended and was not collected."""

    def run_seconds(self, folder: Path) -> float:
        """How long the collected launch with this output folder ran, without its time in the queue."""

    def withdraw(self) -> None:
        """Cancel what was submitted and not collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuGroup:
    """GPUs of a machine, the only ones of `host`, and what launches on them: one launch at a time."""

    launchers: Mapping[Arm, Launcher]
    host: Host
    validity: Validity

    def launch(self, arm: Arm, request: LaunchRequest, on_event: Callable[[Event], None]) -> tuple[Outcome, float]:
        """The outcome of a launch with the samples of its GPUs, and how many seconds it took.

        Nothing is started if one of its GPUs is lost.
        """
        case, launcher = request.case, self.launchers[arm]
        if lost := self.validity.lost_gpus(case):
            return Failure(kind="lost", message=f"{lost}: no launch was started"), 0.0
        is_queued = isinstance(launcher, QueuedLauncher)
        # A training is judged by its curve, whatever state the GPU is in.
        watched = case_gpus(case, self.host) if request.training_folder is None and not is_queued else ()
        begin = time.monotonic()
        with GpuMonitor(watched, Path(request.output) / CASE_FILE) as monitor:

            def on_any_event(event: Event) -> None:
                monitor.on_event(event)
                on_event(event)

            outcome = launcher.launch(request, on_any_event)
        seconds = time.monotonic() - begin
        if isinstance(launcher, QueuedLauncher):
            seconds = launcher.run_seconds(Path(request.output))
        if isinstance(outcome, Failure) and outcome.kind in _BY_A_LOST_GPU and (lost := self.validity.lost_gpus(case)):
            outcome = replace(outcome, kind="lost", message=f"{lost}: {outcome.message}")
        if not isinstance(outcome, Measurement):
            return outcome, seconds
        if wrong := implausibility(outcome, case, request.step_counts):
            return Failure(kind="crash", message=f"bad measurement: {wrong}"), seconds
        return replace(outcome, gpus=outcome.gpus or monitor.samples(outcome.wall_seconds)), seconds
