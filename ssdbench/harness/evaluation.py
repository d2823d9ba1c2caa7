"""Evaluates a trained model: plans the check for this machine, and runs its one launch."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import get_args

from ssdbench.errors import DataError, EnvironmentLacksError, ExitCode, UsageError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.machine.probe import Machine, probe_machine
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.planning import make_plan
from ssdbench.harness.process import WorkerError
from ssdbench.harness.suite import parse_suite
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import Case, LaunchRequest, OptionValue
from ssdbench.schema.environment import GpuState
from ssdbench.schema.evaluation import EVALUATE, CheckpointEvaluation
from ssdbench.schema.record import Failure
from ssdbench.schema.software_needs import unmet_need
from ssdbench.schema.training import EvaluationEngine, EvaluationProtocol

_EQUIVALENT_WORKLOAD = "detect"
"""The workload that needs the same of a machine as an evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A checkpoint that can be evaluated here: with an interpreter, as a case, on the first of some GPUs."""

    checkpoint: Path
    python: str
    case: Case
    gpus: tuple[GpuState, ...] = ()

    def batches(self, images: int) -> int:
        """Batches of the largest shard of this number of images."""
        return -(-images // self.case.global_batch_size)


def plan_check(
    checkpoint: Path, axes: dict[str, OptionValue], *, protocol: str, engine: str, device: str, python: str | None,
    timeout_seconds: float,
) -> Check:  # fmt: skip
    """Plan the check of a checkpoint; `axes` are those of a suite's matrix (batch size, backbone ...).

    Raises:
        DataError: the checkpoint cannot be read.
        UsageError: an option has a value that does not exist.
        EnvironmentLacksError: this machine or the interpreter cannot run it.
    """
    require_readable(checkpoint)
    machine = probe_machine()
    worker = inspect_python(python, with_gpu_code=bool(machine.hardware.gpu_count) and device != "cpu")
    case = plan_case(
        axes, machine, worker, protocol=protocol, engine=engine, device=device, timeout_seconds=timeout_seconds
    )
    for package, remedy in (
        ("pycocotools", "install pycocotools there"),
        (engine, "install the extra ssdbench[fast-eval] there, or use --engine pycocotools"),
    ):
        if package not in worker.packages:
            raise EnvironmentLacksError(f"{package} is not installed for {worker.executable}: {remedy}")
    return Check(checkpoint=checkpoint.absolute(), python=worker.executable, case=case, gpus=machine.host.gpus)


def plan_case(
    axes: dict[str, OptionValue], machine: Machine, worker: WorkerPython | None, *, protocol: str, engine: str,
    device: str, timeout_seconds: float,
) -> Case:  # fmt: skip
    """The case of an evaluation on this machine; `worker` None: the interpreter of an image, which is not known here.

    Raises:
        UsageError, EnvironmentLacksError: as `plan_check`.
    """
    if axes.get("pipeline") == "resident":
        raise UsageError("--pipeline resident has no images to evaluate: use dali or torchvision")
    for name, value, known in (
        ("protocol", protocol, get_args(EvaluationProtocol)),
        ("engine", engine, get_args(EvaluationEngine)),
    ):
        if value not in known:
            raise UsageError(f"--{name} {value} does not exist: choose from {', '.join(known)}")
    matrix = {"workload": _EQUIVALENT_WORKLOAD, **axes, "protocol": {"timeout_seconds": timeout_seconds, "launches": 1}}
    suite = parse_suite({"name": EVALUATE, "device": device, "matrix": [matrix]}, "command line")
    (planned,) = make_plan(suite, machine, worker, seed=0).cases
    case = replace(planned.case, workload=EVALUATE, options={"protocol": protocol, "engine": engine})
    unmet = None if worker is None else unmet_need(case, worker.packages, worker.executable)
    if (reason := planned.skip_reason or unmet) is not None:
        raise EnvironmentLacksError(f"cannot evaluate here: {reason}")
    return case


def require_readable(checkpoint: Path) -> None:
    """Refuse a file that cannot be read or is empty; only the worker, with torch, can check more."""
    try:
        with checkpoint.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise DataError(f"{checkpoint}: cannot be read ({error.strerror}); give the file of a checkpoint") from None
    if empty:
        raise DataError(f"{checkpoint}: not a checkpoint, it is empty")


def run_check(check: Check, data: PreparedData, on_event: Callable[[Event], None]) -> tuple[CheckpointEvaluation, Path]:
    """Evaluate the checkpoint; returns its figures, and the path of a picture of some images.

    Raises:
        DataError: the file is not a checkpoint, or of another model; or the data set has changed.
        EnvironmentLacksError: something is missing that only the worker can see.
        WorkerError: the launch failed for another reason.
    """
    now = datetime.now(timezone.utc)
    folder = work_folder().absolute() / f"{EVALUATE}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    request = request_for(check.case, check.checkpoint, data, folder)
    outcome = LocalLauncher(check.python, gpus=check.gpus).evaluate(request, on_event)
    if isinstance(outcome, Failure):
        raise _error(outcome, check.checkpoint, folder)
    return outcome, folder / "sheet.png"


def request_for(case: Case, checkpoint: Path, data: PreparedData, folder: Path) -> LaunchRequest:
    """The launch that evaluates a checkpoint, with `folder` for its files."""
    return LaunchRequest(
        schema_version=EXCHANGE_VERSION,
        case=case,
        launch=0,
        seed=0,
        output=str(folder),
        prepared_data=str(data.path.absolute()),
        checkpoint=str(checkpoint),
    )


def _error(failure: Failure, checkpoint: Path, folder: Path) -> Exception:
    _, _, sentence = failure.message.partition("Error: ")
    if failure.kind == "bad_data":
        return DataError(sentence)
    if failure.kind == "unsupported":
        return EnvironmentLacksError(sentence)
    place = f" on rank {failure.rank}" if failure.rank is not None else ""
    batch = f" after batch {failure.last_step + 1}" if failure.last_step is not None else ""
    text = f"evaluating {checkpoint} failed{place}{batch} ({failure.kind}): {failure.message}; its logs are in {folder}"
    return WorkerError(text, ExitCode.CASE_FAILED)
