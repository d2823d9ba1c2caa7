"""One launch, wherever its worker runs: asked by a file, followed by its events, read back or diagnosed.

A launcher of the shelf says how the worker is started (`_start`) and what it calls the source tree (`source`); the rest
is the same for all of them, because host and worker share the folder of the launch.
"""

import json
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import psutil

from ssdbench.harness.launchers.diagnosis import diagnose
from ssdbench.harness.stores.codec import read_evaluation, read_measurement, read_training
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training

# Rare, because on a CPU the host's own work is foreign work beside the measurement.
_POLL_SECONDS = 0.25
_STACK_DUMP_SECONDS = 1.0

Event = dict[str, object]


class Started(Protocol):
    """A worker that runs somewhere."""

    def exit_code(self) -> int | None:
        """How it ended (negative: by which signal), None while it runs."""

    def stop(self) -> None:
        """End all of it; returns when nothing is left."""

    def failure(self) -> Failure | None:
        """Why it failed, once it is stopped, where that is better known here than from its folder."""


class FollowingLauncher(ABC):
    """What all launchers share."""

    source: Path
    """The tree of ssdbench to be measured, by the name that the worker has for it."""

    @abstractmethod
    def _start(self, request: LaunchRequest, case_file: Path) -> Started | Failure:
        """Start the worker of a launch whose folder is there, or say why that is impossible."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch to its end, its time limit, or an interruption (which ends it and is passed on).

        `on_event` receives the events of rank 0 as they come. The folder `request.output` keeps case.json, the
        events, the logs and the result.
        """
        if request.training_folder is not None:
            log = Path(request.training_folder) / "training.json"
            return self._run(request, on_event, log) or read_training(log.read_text(encoding="utf-8"))
        result = Path(request.output) / "measurement.json"
        return self._run(request, on_event, result) or read_measurement(result.read_text(encoding="utf-8"))

    def evaluate(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> CheckpointEvaluation | Failure:
        """`launch` for a request that checks a trained model."""
        result = Path(request.output) / "evaluation.json"
        return self._run(request, on_event, result) or read_evaluation(result.read_text(encoding="utf-8"))

    def _run(self, request: LaunchRequest, on_event: Callable[[Event], None], result: Path) -> Failure | None:
        """Run the launch; its failure, None where it left the file `result`."""
        folder = Path(request.output)
        folder.mkdir(parents=True)
        case_file = folder / "case.json"
        case_file.write_text(json.dumps(asdict(replace(request, source=str(self.source)))), encoding="utf-8")
        started = self._start(request, case_file)
        if isinstance(started, Failure):
            return started
        timed_out = False
        try:
            timed_out = not _follow(started, folder, request.case.protocol.timeout_seconds, on_event)
            if timed_out:
                _ask_where_they_stand(case_file)
        finally:
            started.stop()
        if started.exit_code() == 0 and result.is_file():
            return None
        limit = request.case.protocol.timeout_seconds if timed_out else None
        own = None if timed_out else started.failure()
        return own or diagnose(
            folder, request.case.world_size, exit_code=started.exit_code(), timed_out_after_seconds=limit
        )


def worker_command(python: str, request: LaunchRequest, case_file: Path) -> list[str]:
    """The command that measures: torchrun with all ranks on one machine."""
    return [
        *(python, "-m", "ssdbench.worker.launch", request.output),
        *("--nnodes=1", f"--nproc-per-node={request.case.world_size}"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id={case_file.parent.name}"),
        *("--log-dir", f"{request.output}/ranks", "--redirects", "3"),
        *("-m", "ssdbench.worker", str(case_file)),
    ]


def worker_variables(request: LaunchRequest) -> dict[str, str]:
    """What the environment of the worker needs besides its import path."""
    variables = {"OMP_NUM_THREADS": str(request.case.threads_per_rank)}
    if request.case.device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""  # no context on a GPU that another measurement may use
    return variables


def _follow(started: Started, folder: Path, limit_seconds: float, on_event: Callable[[Event], None]) -> bool:
    """Pass events on until the worker ends (True) or its time is up (False)."""
    deadline = time.monotonic() + limit_seconds
    events = _tail(folder / "events-0.jsonl")
    while started.exit_code() is None:
        for event in next(events):
            on_event(event)
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    for event in next(events):
        on_event(event)
    return True


def _tail(path: Path) -> Iterator[list[Event]]:
    """The events written since the last look; a line still being written is left for the next one."""
    while not path.exists():
        yield []
    with path.open(encoding="utf-8") as file:
        rest = ""
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            yield [json.loads(line) for line in lines]


def _ask_where_they_stand(case_file: Path) -> None:
    """Have every rank write its stacks to its log before it is ended: the waiting ranks are not the culprits.

    Ranks are known by the file they were given: those in a container are no children of ours.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline()[-2:] == ["ssdbench.worker", str(case_file)]:
                process.send_signal(signal.SIGUSR1)
    time.sleep(_STACK_DUMP_SECONDS)
