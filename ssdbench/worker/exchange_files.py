"""The door between the wings: case.json comes in, measurement.json, evaluation.json or failure-<rank>.json goes out.

Files are written beside their name and renamed: a file that exists is whole.
"""

import errno
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ssdbench
from ssdbench.errors import DataError, EnvironmentLacksError, NotFiniteError, UsageError
from ssdbench.runtime.distributed import is_peer_lost
from ssdbench.runtime.network import host_name
from ssdbench.runtime.out_of_memory import memory_exhausted
from ssdbench.runtime.process import stderr_file
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import Case, LaunchRequest, Protocol, StepCounts
from ssdbench.schema.environment import Software
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.record import Failure, FailureKind, Measurement
from ssdbench.schema.training import EpochResult, Evaluation, Training

_NCCL_RESULT = re.compile(r"^(nccl\w+: .*?)\s*$", re.MULTILINE)
# Behind it NCCL may have nothing to say, and then comes the stack of C++.
_REASON = re.compile(r"(?:Last error|encountered):\s*\n?\s*(?!Exception raised from|frame #)(\S.*)")


def read_request(path: Path) -> LaunchRequest:
    """Read case.json, which the host wing has validated before it wrote it.

    Raises:
        UsageError: host and worker are not of the same version of ssdbench.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["schema_version"] != EXCHANGE_VERSION:
        raise UsageError(
            f"{path} is of schema version {content['schema_version']}, this worker speaks {EXCHANGE_VERSION}: "
            "run host and worker from the same ssdbench"
        )
    case = content.pop("case")
    counts = content.pop("step_counts", None)
    try:
        protocol = Protocol(**case.pop("protocol"))
        step_counts = StepCounts(**counts) if counts is not None else None
        return LaunchRequest(case=Case(protocol=protocol, **case), step_counts=step_counts, **content)
    except TypeError as error:
        raise UsageError(
            f"this worker cannot do all that {path} asks for ({error}): it is of another ssdbench than the host; "
            "leave newer options out, or measure with a newer checkout"
        ) from None


def require_source(request: LaunchRequest) -> None:
    """Refuse to measure another ssdbench than the one asked for: both arms of a pair would be the same.

    Raises:
        UsageError: this worker was imported from elsewhere.
    """
    here = Path(ssdbench.__file__).resolve().parents[1]
    if request.source is not None and here != Path(request.source).resolve():
        raise UsageError(f"the worker was imported from {here}, not from {request.source}: keep {here} off PYTHONPATH")


def write_measurement(folder: Path, measurement: Measurement) -> None:
    """Hand the result of the launch to the host."""
    _write(folder / "measurement.json", asdict(measurement))


def read_training(folder: Path) -> Training | None:
    """The log of the training in this folder; None where none was begun."""
    path = folder / "training.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    content["results"] = tuple(_epoch_result(**result) for result in content["results"])
    for name in ("decay_epochs", "validation_epochs"):
        content[name] = tuple(content[name])
    content["software"] = Software(**content["software"]) if content["software"] is not None else None
    return Training(**content)


def write_training(folder: Path, training: Training) -> None:
    """Keep the log of a training beside its checkpoints, where host and worker find it."""
    _write(folder / "training.json", asdict(training))


def write_evaluation(folder: Path, evaluation: CheckpointEvaluation) -> None:
    """Hand the figures of a checkpoint to the host."""
    _write(folder / "evaluation.json", asdict(evaluation))


def write_place(folder: Path, rank: int) -> None:
    """Tell the host on which machine this rank is, and in which file what it writes to stderr."""
    _write(folder / f"place-{rank}.json", {"host": host_name(), "log": stderr_file()})


def write_failure(folder: Path, rank: int, last_step: int | None, error: BaseException) -> None:
    """Tell the host how this rank failed, and when, so that it can tell the cause from its consequences."""
    cause = _cause(error)
    failure = Failure(
        kind=_kind(cause),
        message=_message(cause),
        rank=rank,
        last_step=last_step,
        memory=memory_exhausted(cause),
    )
    _write(folder / f"failure-{rank}.json", asdict(failure) | {"failed_at": time.time()})


def _epoch_result(*, losses: list[float], evaluation: dict[str, Any] | None, **others: Any) -> EpochResult:
    figures = Evaluation(**evaluation) if evaluation is not None else None
    return EpochResult(losses=tuple(losses), evaluation=figures, **others)


def _write(path: Path, content: object) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def _cause(error: BaseException) -> BaseException:
    """What `error` was raised from, where that was a lack of memory: a decoder without memory is no bad image."""
    cause = error.__cause__
    return cause if cause is not None and memory_exhausted(cause) else error


def _kind(error: BaseException) -> FailureKind:
    if memory_exhausted(error):
        return "out_of_memory"
    if is_peer_lost(error):
        return "lost"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk_full"
    kinds: dict[type[BaseException], FailureKind] = {
        NotFiniteError: "not_finite",
        DataError: "bad_data",
        EnvironmentLacksError: "unsupported",
        UsageError: "unsupported",
        KeyboardInterrupt: "interrupted",
    }
    return next((kind for family, kind in kinds.items() if isinstance(error, family)), "crash")


def _message(error: BaseException) -> str:
    """The first line, and the reason where NCCL and DALI give it on a later one."""
    text = str(error).strip()
    first_line = next(iter(text.splitlines()), "")
    reasons = [*_NCCL_RESULT.findall(text)[:1], *_REASON.findall(text)[-1:]]
    return f"{type(error).__name__}: {'; '.join([first_line, *reasons])}"
