"""The files that the host and the device side exchange.

The worker reads case.json and writes measurement.json, profile.json, limits.json, evaluation.json with
detections.npy, or failure-<rank>.json. Files are written atomically: a file that exists is complete.
"""

from __future__ import annotations

import errno
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ssdbench
from ssdbench.atomic import atomic_file
from ssdbench.errors import DataError, EnvironmentLacksError, NotFiniteError, UsageError
from ssdbench.runtime.distributed import is_peer_lost
from ssdbench.runtime.loaded_files import hashes_below
from ssdbench.runtime.network import host_name
from ssdbench.runtime.out_of_memory import memory_exhausted
from ssdbench.runtime.process import stderr_file
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import Case, LaunchRequest, LimitsRequest, ProfileRequest, Protocol, StepCounts
from ssdbench.schema.environment import Software
from ssdbench.schema.evaluation import DETECTIONS, CheckpointEvaluation
from ssdbench.schema.limits import LimitsAnswer
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import Failure, FailureKind, Measurement
from ssdbench.schema.training import EpochResult, Evaluation, Training

_NCCL_RESULT = re.compile(r"^(nccl\w+: .*?)\s*$", re.MULTILINE)
# After these words NCCL may give no reason, and a C++ stack trace follows.
_REASON = re.compile(r"(?:Last error|encountered):\s*\n?\s*(?!Exception raised from|frame #)(\S.*)")


def read_request(path: Path) -> LaunchRequest:
    """Read case.json, which the host side validated before it wrote it.

    Raises:
        UsageError: host and worker have different versions of ssdbench.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["schema_version"] != EXCHANGE_VERSION:
        raise UsageError(
            f"{path} has schema version {content['schema_version']}, and this worker reads version {EXCHANGE_VERSION}: "
            "run host and worker from the same ssdbench"
        )
    case = content.pop("case")
    counts, profile = content.pop("step_counts", None), content.pop("profile", None)
    limits = content.pop("limits", None)
    try:
        step_counts = StepCounts(**counts) if counts is not None else None
        profiled = ProfileRequest(**profile) if profile is not None else None
        asked = LimitsRequest(cases=tuple(map(_case, limits["cases"]))) if limits is not None else None
        return LaunchRequest(case=_case(case), step_counts=step_counts, profile=profiled, limits=asked, **content)
    except TypeError as error:
        raise UsageError(
            f"this worker does not support all of {path} ({error}): its ssdbench is older than the host's; "
            "omit newer options, or measure with a newer checkout"
        ) from None


def require_source(request: LaunchRequest) -> None:
    """Check that this worker is the ssdbench that was asked for; otherwise both arms of a pair could be the same.

    Raises:
        UsageError: this worker was imported from another place.
    """
    here = Path(ssdbench.__file__).resolve().parents[1]
    if request.source is not None and here != Path(request.source).resolve():
        raise UsageError(f"the worker was imported from {here}, not from {request.source}: keep {here} off PYTHONPATH")


def write_measurement(folder: Path, measurement: Measurement) -> None:
    """Write the result of the launch for the host; a later one replaces it."""
    content = asdict(measurement)
    # Keys that hosts before 0.3 do not know.
    del content["failed_afterwards"], content["limits"]  # the host's to say
    for node in content["node_cpus"]:
        if node["cpu_quota_cores"] is None:
            del node["cpu_quota_cores"]
    _write(folder / "measurement.json", content)


def read_training(folder: Path) -> Training | None:
    """Read the log of the training in this folder; None if none was started."""
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
    """Write the log of a training next to its checkpoints, where host and worker find it."""
    _write(folder / "training.json", asdict(training))


def write_evaluation(folder: Path, evaluation: CheckpointEvaluation) -> None:
    """Write the evaluation of a checkpoint for the host."""
    _write(folder / "evaluation.json", asdict(evaluation))


def write_detections(folder: Path, rows: Any) -> None:
    """Write the detections that were evaluated, rows (D, 7) as from `ssd.evaluate.detection_rows`, for the host."""
    import numpy as np  # here alone: a launch that times sleeps needs none

    with atomic_file(folder / DETECTIONS) as part, part.open("wb") as file:
        np.save(file, rows, allow_pickle=False)


def write_limits(folder: Path, answer: LimitsAnswer) -> None:
    """Write the ceilings of the device and the work of cases for the host."""
    _write(folder / "limits.json", asdict(answer))


def write_profile(folder: Path, profile: LaunchProfile) -> None:
    """Write the profile of a launch for the host."""
    _write(folder / "profile.json", asdict(profile))


def write_location(folder: Path, rank: int) -> None:
    """Write for the host on which machine this rank runs, and which file holds its standard error."""
    _write(folder / f"place-{rank}.json", {"host": host_name(), "log": stderr_file()})


def write_loaded_files(folder: Path, found: dict[str, list[str]]) -> None:
    """Write for the host what rank 0 has loaded (`runtime.loaded_files`), and the hashes of what it asks for."""
    asked, hashes = folder / "mounted.json", {}
    if asked.is_file():
        hashes = hashes_below(found, json.loads(asked.read_text(encoding="utf-8")))
    _write(folder / "loaded-0.json", {**found, "hashes": hashes})


def write_failure(folder: Path, rank: int, last_step: int | None, error: BaseException) -> None:
    """Write for the host how and when this rank failed, so that it can tell a cause from its consequences."""
    cause = _cause(error)
    failure = Failure(
        kind=_kind(cause),
        message=_message(cause),
        rank=rank,
        last_step=last_step,
        memory=memory_exhausted(cause),
    )
    _write(folder / f"failure-{rank}.json", {**asdict(failure), "failed_at": time.time()})


def _case(content: dict[str, Any]) -> Case:
    protocol = Protocol(**content.pop("protocol", {}))
    return Case(protocol=protocol, **content)


def _epoch_result(*, losses: list[float], evaluation: dict[str, Any] | None, **others: Any) -> EpochResult:
    figures = Evaluation(**evaluation) if evaluation is not None else None
    return EpochResult(losses=tuple(losses), evaluation=figures, **others)


def _write(path: Path, content: object) -> None:
    with atomic_file(path) as part:
        part.write_text(json.dumps(content), encoding="utf-8")


def _cause(error: BaseException) -> BaseException:
    """The error that `error` was raised from, if memory ran out there: a decoder without memory is not a bad image."""
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
    """The first line, and the reason if NCCL or DALI gives it on a later line."""
    text = str(error).strip()
    first_line = next(iter(text.splitlines()), "")
    reasons = [*_NCCL_RESULT.findall(text)[:1], *_REASON.findall(text)[-1:]]
    return f"{type(error).__name__}: {'; '.join([first_line, *reasons])}"
