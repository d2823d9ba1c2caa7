"""Launches on this machine: new processes for each, in a tree that is followed to its end."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from ssdbench.harness.cache import CacheFullError
from ssdbench.harness.launchers.diagnosis import LOG, diagnose
from ssdbench.harness.launchers.following import Event, Running, follow
from ssdbench.harness.launchers.torchrun import (
    kept_result,
    launch_environment,
    read_left,
    read_result,
    result_file,
    worker_command,
    write_request,
)
from ssdbench.harness.process import SOURCE, ProcessTree, is_rank_of
from ssdbench.harness.stores.codec import read_evaluation, read_limits, read_profile
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.environment import GpuState
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.limits import LimitsAnswer
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training

_STACK_DUMP_SECONDS = 1.0


class Started(Running, Protocol):
    """A worker that runs on this machine."""

    def stop(self) -> None:
        """Stop all its processes; returns when they have ended."""

    def failure(self) -> Failure | None:
        """Why it failed, after it was stopped; None if the launch's folder tells more."""


class LocalLauncher:
    """Starts workers with the interpreter `python` and the ssdbench of `source`; together they are under test.

    `gpus` are those that may be used: rank r of a launch uses `gpus[r]`. When `stop` is set, launches end with
    StoppedError.
    """

    def __init__(
        self, python: str, source: Path = SOURCE, gpus: Sequence[GpuState] = (), stop: threading.Event | None = None
    ) -> None:
        self._python = python
        self._source = source
        self._gpus = gpus
        self._stop = stop

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch to its end, its time limit, or an interruption, which stops it and is raised again.

        `on_event` receives the events of rank 0 as they arrive. The folder `request.output` keeps case.json, the
        events, the logs and the result.
        """
        failure = self._run(request, on_event, result_file(request))
        return read_result(request) if failure is None else kept_result(request, failure)

    def evaluate(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> CheckpointEvaluation | Failure:
        """Like `launch`, for a request that evaluates a trained model."""
        result = Path(request.output) / "evaluation.json"
        failure = self._run(request, on_event, result)
        return read_left(result, read_evaluation) if failure is None else failure

    def profile(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> LaunchProfile | Failure:
        """Like `launch`, for a request that asks for a profile."""
        result = Path(request.output) / "profile.json"
        failure = self._run(request, on_event, result)
        return read_left(result, read_profile) if failure is None else failure

    def find_limits(self, request: LaunchRequest) -> LimitsAnswer | Failure:
        """Like `launch`, for a request that asks for limits."""
        result = Path(request.output) / "limits.json"
        failure = self._run(request, lambda _: None, result)
        return read_left(result, read_limits) if failure is None else failure

    def _run(self, request: LaunchRequest, on_event: Callable[[Event], None], result: Path) -> Failure | None:
        """Run the launch; returns its failure, or None if it wrote the file `result`."""
        try:
            case_file = write_request(request, self._source)
            started = self._start(request)
        except CacheFullError as error:
            return Failure(kind="disk_full", message=str(error))
        if isinstance(started, Failure):
            return started
        folder, limit = case_file.parent, request.case.protocol.timeout_seconds
        timed_out = False
        try:
            timed_out = not follow(started, folder, limit, on_event, self._stop)
            if timed_out:
                dump_stacks(case_file)
        finally:
            started.stop()
        if timed_out:
            return diagnose(folder, request.case.world_size, exit_code=None, timed_out_after_seconds=limit)
        code = started.exit_code()
        if code == 0 and result.is_file():
            return None
        failure = started.failure()
        return failure or diagnose(folder, request.case.world_size, exit_code=code, timed_out_after_seconds=None)

    def _start(self, request: LaunchRequest) -> Started | Failure:
        """Start the worker of a launch whose case.json exists, or return why that is impossible."""
        environment = launch_environment(request.case, self._source, self._gpus)
        return ProcessTree(worker_command(self._python, request), environment, Path(request.output) / LOG)


def dump_stacks(case_file: Path) -> None:
    """Have every rank write its stacks to its log before it is stopped: they show which rank the others wait for."""
    for process in psutil.process_iter():
        if is_rank_of(process, case_file):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGUSR1)
    time.sleep(_STACK_DUMP_SECONDS)
