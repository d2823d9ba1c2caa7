"""Launches on this machine: a fresh torchrun for every launch, in a process tree that is watched to its end."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import psutil

from ssdbench.harness.launchers.diagnosis import diagnose
from ssdbench.harness.launchers.following import Event, follow
from ssdbench.harness.launchers.process import SOURCE, ProcessTree, worker_environment
from ssdbench.harness.stores.codec import read_evaluation, read_measurement, read_training
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.training import Training

_STACK_DUMP_SECONDS = 1.0


class LocalLauncher:
    """Starts workers with the interpreter `python` and the ssdbench of `source`: together, the thing under test."""

    def __init__(self, python: str, source: Path = SOURCE) -> None:
        self._python = python
        self._source = source

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
        asked = replace(request, source=str(self._source))
        case_file.write_text(json.dumps(asdict(asked)), encoding="utf-8")
        tree = ProcessTree(
            self._command(request, case_file), _environment(request, self._source), folder / "torchrun.log"
        )
        timed_out = False
        try:
            timed_out = not follow(tree, folder, request.case.protocol.timeout_seconds, on_event)
            if timed_out:
                _ask_where_they_stand(tree)
        finally:
            tree.stop()
        if tree.exit_code() == 0 and result.is_file():
            return None
        limit = request.case.protocol.timeout_seconds if timed_out else None
        return diagnose(folder, request.case.world_size, exit_code=tree.exit_code(), timed_out_after_seconds=limit)

    def _command(self, request: LaunchRequest, case_file: Path) -> list[str]:
        return [
            *(self._python, "-m", "ssdbench.worker.launch", request.output),
            *("--nnodes=1", f"--nproc-per-node={request.case.world_size}"),
            *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id={case_file.parent.name}"),
            *("--log-dir", f"{request.output}/ranks", "--redirects", "3"),
            *("-m", "ssdbench.worker", str(case_file)),
        ]


def _environment(request: LaunchRequest, source: Path) -> dict[str, str]:
    case = request.case
    additions = {"OMP_NUM_THREADS": str(case.threads_per_rank)}
    # All ranks are here: gloo need not look for a network interface by a host name that may not resolve.
    additions["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
    if case.device == "cpu":
        additions["CUDA_VISIBLE_DEVICES"] = ""  # no context on a GPU that another measurement may use
    return worker_environment(additions, source)


def _ask_where_they_stand(tree: ProcessTree) -> None:
    """Have every rank write its stacks to its log before it is ended: the waiting ranks are not the culprits."""
    for process in tree.descendants():
        with suppress(psutil.NoSuchProcess):
            if "ssdbench.worker" in process.cmdline():
                process.send_signal(signal.SIGUSR1)
    time.sleep(_STACK_DUMP_SECONDS)
