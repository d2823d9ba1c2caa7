"""Finds the cause of a failed launch in the files that it left: which rank, at which step, why."""

import json
import signal
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.harness.process import last_line
from ssdbench.schema.record import Failure

# torchrun sends this to the other ranks after one has failed; it is never the cause.
_CLEAN_UP_SIGNALS = {signal.SIGTERM}
# Failures that a lost peer cannot cause.
_CERTAIN_CAUSES = ("out_of_memory", "not_finite", "bad_data", "disk_full", "unsupported")
LOG = "torchrun.log"
"""The output of the launch, in its folder; each rank has a log of its own."""
_LOG_LINES = 30
_WAITS = "torch/distributed/distributed_c10d.py"


def diagnose(folder: Path, world_size: int, *, exit_code: int | None, timed_out_after_seconds: float | None) -> Failure:
    """Name the cause of a failed launch.

    In this order: the earliest report of a failure that no other rank can cause (memory, data, disk, ...); our time
    limit; a rank killed by a signal; any other report, except of lost peers; a rank that was aborted; a rank that ended
    without a report; a report of lost peers; torchrun itself.
    """
    last_steps = {rank: _last_step(folder, rank) for rank in range(world_size)}
    reports = [report for rank in range(world_size) if (report := _read(folder / f"failure-{rank}.json"))]
    reports.sort(key=lambda report: report["failed_at"])
    certain = [report for report in reports if report["kind"] in _CERTAIN_CAUSES]
    if certain:
        return _reported(folder, certain[0])
    if timed_out_after_seconds is not None:
        return _timeout(folder, last_steps, timed_out_after_seconds)
    signals = _signals(folder)
    killed = [rank for rank, number in signals.items() if number != signal.SIGABRT]
    causes = [report for report in reports if report["kind"] != "lost"]
    if killed:
        return _ended(folder, killed[0], last_steps, f"by {_signal(signals[killed[0]])}")
    if causes:
        return _reported(folder, causes[0])
    if signals:  # aborted: NCCL's watchdog does that to a rank whose peer is lost
        rank = min(signals)
        return _ended(folder, rank, last_steps, f"by {_signal(signals[rank])}")
    silent = [rank for rank in range(world_size) if not (folder / f"failure-{rank}.json").exists()]
    if reports and silent:
        return _ended(folder, silent[0], last_steps, "without a report")
    if reports:
        return _reported(folder, reports[0])
    log = end_of_log(folder / LOG)
    return Failure(kind="crash", message=f"torchrun ended with exit code {exit_code}: {last_line(log)}", log=log)


def _signals(folder: Path) -> dict[int, signal.Signals]:
    """The signals that ended ranks before they could report, by rank, without those from torchrun's clean-up."""
    exits = {int(rank): code for path in folder.glob("exits*.json") for rank, code in _read(path).items()}
    return {
        rank: signal.Signals(-code)
        for rank, code in sorted(exits.items())
        if code < 0 and -code not in _CLEAN_UP_SIGNALS and not (folder / f"failure-{rank}.json").exists()
    }


def _timeout(folder: Path, last_steps: dict[int, int | None], limit_seconds: float) -> Failure:
    progress = ", ".join(
        f"rank {rank} {'had no step' if step is None else f'was after step {step}'}"
        for rank, step in last_steps.items()
    )
    # Of ranks at the same step, those inside a collective operation wait for the one that is not.
    slowest = min(last_steps, key=lambda rank: (_number(last_steps[rank]), _WAITS in _log(folder, rank)))
    message = f"not done after {limit_seconds:g} s: {progress} (stacks in the ranks' logs)"
    return _failure(folder, slowest, last_steps[slowest], "timeout", message)


def _ended(folder: Path, rank: int, last_steps: dict[int, int | None], how: str) -> Failure:
    return _failure(folder, rank, last_steps[rank], "crash", f"rank {rank}{_where(folder, rank)} ended {how}")


def _reported(folder: Path, report: dict[str, Any]) -> Failure:
    found = _failure(folder, report["rank"], report["last_step"], report["kind"], report["message"])
    return replace(found, memory=report.get("memory"))  # the ssdbench of the other arm may not report it


def _failure(folder: Path, rank: int, last_step: int | None, kind: Any, message: str) -> Failure:
    return Failure(kind=kind, message=message, rank=rank, last_step=last_step, log=_log(folder, rank))


def _log(folder: Path, rank: int) -> str:
    """The end of what the rank wrote to stderr, or of torchrun's log."""
    if (own := _location(folder, rank).get("log")) is not None:
        return end_of_log(Path(own))
    logs = sorted((folder / "ranks").glob(f"*/attempt_0/{rank}/stderr.log"))
    return end_of_log(logs[0] if logs else folder / LOG)


def _where(folder: Path, rank: int) -> str:
    """The node of a rank as part of a sentence, if its launch used several."""
    hosts = {location["host"] for path in folder.glob("place-*.json") if (location := _read(path))}
    return f" on {_location(folder, rank)['host']}" if len(hosts) > 1 and _location(folder, rank) else ""


def _location(folder: Path, rank: int) -> dict[str, Any]:
    """The host of a rank and the file of its stderr, as the rank reported them."""
    return _read(folder / f"place-{rank}.json")


def _number(step: int | None) -> int:
    return -1 if step is None else step


def _signal(number: signal.Signals) -> str:
    if number is signal.SIGKILL:
        return "SIGKILL (most often sent by the kernel for lack of memory)"
    return number.name


def _last_step(folder: Path, rank: int) -> int | None:
    path = folder / f"step-{rank}"
    if not path.exists():
        return None
    (step,) = struct.unpack("<q", path.read_bytes())
    return step if step >= 0 else None


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def end_of_log(path: Path) -> str:
    """The last lines of a log; empty if there is none."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])
