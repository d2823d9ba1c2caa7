"""Finds the cause of a failed launch in the files that it left: which rank, at which step, why."""

import signal
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.launchers.left_files import (
    Report,
    is_disk_full,
    read_exits,
    read_last_step,
    read_location,
    read_reports,
)
from ssdbench.harness.launchers.log_excerpt import excerpt
from ssdbench.harness.process import last_line
from ssdbench.schema.record import Failure, FailureKind

# Failures that a lost peer cannot cause.
_CERTAIN_CAUSES = ("out_of_memory", "not_finite", "bad_data", "disk_full", "unsupported")
LOG = "launch.log"
"""The output of the launch, in its folder; each rank has a log of its own."""
_WAITS = "torch/distributed/distributed_c10d.py"
_DISK_FULL = "the disk of the launch's folder is full: free space there, or set SSDBENCH_CACHE to another disk"


def diagnose(folder: Path, world_size: int, *, exit_code: int | None, timed_out_after_seconds: float | None) -> Failure:
    """Name the cause of a failed launch.

    In this order: the earliest report of a failure that no other rank can cause (memory, data, disk, ...); our time
    limit; a rank killed by a signal; any other report, except of lost peers; a rank that was aborted or terminated; a
    rank that ended without a report; a report of lost peers; the launch itself.
    """
    return _Launch(folder, world_size).diagnose(exit_code, timed_out_after_seconds)


class _Launch:
    """What a failed launch left in its folder."""

    def __init__(self, folder: Path, world_size: int) -> None:
        self._folder = folder
        self._last_steps = {rank: read_last_step(folder, rank) for rank in range(world_size)}
        self._reports = read_reports(folder, world_size)
        self._exits = {rank: code for rank, code in read_exits(folder).items() if rank in self._last_steps}
        self._locations = {rank: read_location(folder, rank) for rank in range(world_size)}

    def diagnose(self, exit_code: int | None, timed_out_after_seconds: float | None) -> Failure:
        certain = [report for report in self._reports if report.failure.kind in _CERTAIN_CAUSES]
        if certain:
            return self._reported(certain[0])
        if timed_out_after_seconds is not None:
            return self._timeout(timed_out_after_seconds)
        signals = self._signals()
        killed = [rank for rank, number in signals.items() if number not in (signal.SIGABRT, signal.SIGTERM)]
        causes = [report for report in self._reports if report.failure.kind != "lost"]
        if killed:
            return self._ended_by(killed[0], signals[killed[0]])
        if causes:
            return self._reported(causes[0])
        if signals:  # aborted: NCCL's watchdog does that to a rank whose peer is lost
            rank = min(signals)
            return self._ended_by(rank, signals[rank])
        return self._unreported(exit_code)

    def _unreported(self, exit_code: int | None) -> Failure:
        """The cause where no rank reported one: none but lost peers, or nothing at all."""
        silent = [rank for rank in self._last_steps if rank not in {report.rank for report in self._reports}]
        # Torchrun tells the codes of failed ranks only.
        suspects = sorted(silent, key=lambda rank: self._exits.get(rank, 0) == 0)
        if suspects and (self._reports or suspects[0] in self._exits):
            return self._silent(suspects[0])
        if self._reports:
            return self._reported(self._reports[0])
        log = excerpt(self._folder / LOG)
        message = f"the launch ended with exit code {exit_code}: {last_line(log)}"
        return self._or_disk_full(Failure(kind="crash", message=message, log=log))

    def _silent(self, rank: int) -> Failure:
        code = self._exits.get(rank)
        if code is None:
            return self._or_disk_full(self._ended(rank, "without a report"))
        if code == 0:
            return self._or_disk_full(self._ended(rank, "with exit code 0 before it had finished"))
        found = self._ended(rank, f"with exit code {code}")
        return self._or_disk_full(replace(found, message=f"{found.message}: {last_line(found.log or '')}"))

    def _signals(self) -> dict[int, int]:
        """The signals that ended ranks before they could report, by rank, without those that ended the others."""
        reported = {report.rank for report in self._reports}
        found = {rank: -code for rank, code in self._exits.items() if code < 0 and rank not in reported}
        # Torchrun sends SIGTERM to the other ranks after one has failed, and lists these among the failed ones.
        others = [code for code in self._exits.values() if code not in (0, -signal.SIGTERM)]
        if others or len(self._hosts()) > 1:
            return {rank: number for rank, number in found.items() if number != signal.SIGTERM}
        return found

    def _timeout(self, limit_seconds: float) -> Failure:
        steps = self._last_steps
        progress = ", ".join(
            f"rank {rank} {'had no step' if step is None else f'was after step {step}'}" for rank, step in steps.items()
        )
        # Of ranks at the same step, those inside a collective operation wait for the one that is not.
        slowest = min(steps, key=lambda rank: (_number(steps[rank]), _WAITS in self._log(rank)))
        message = f"not done after {limit_seconds:g} s: {progress} (stacks in the ranks' logs)"
        return self._failure(slowest, "timeout", message)

    def _ended_by(self, rank: int, number: int) -> Failure:
        found = self._ended(rank, f"by {_signal(number)}")
        # The counter of steps is a mapped file: without a page for it on the disk, counting is a bus error.
        return self._or_disk_full(found) if number == signal.SIGBUS else found

    def _ended(self, rank: int, how: str) -> Failure:
        return self._failure(rank, "crash", f"rank {rank}{self._where(rank)} ended {how}")

    def _reported(self, report: Report) -> Failure:
        found = replace(report.failure, rank=report.rank, log=self._log(report.rank))
        if report.is_readable:
            return found
        return self._or_disk_full(replace(found, last_step=self._last_steps[report.rank]))

    def _or_disk_full(self, failure: Failure) -> Failure:
        if not is_disk_full(self._folder):
            return failure
        return replace(failure, kind="disk_full", message=f"{failure.message}; {_DISK_FULL}")

    def _failure(self, rank: int, kind: FailureKind, message: str) -> Failure:
        return Failure(kind=kind, message=message, rank=rank, last_step=self._last_steps[rank], log=self._log(rank))

    def _log(self, rank: int) -> str:
        """The excerpt of what the rank wrote to stderr, or of the launch's log."""
        if (own := self._locations[rank].log) is not None:
            return excerpt(own)
        # Torchrun has a folder for each of its attempts.
        logs = sorted((self._folder / "ranks").glob(f"*/attempt_0/{rank}/stderr.log"))
        here = self._folder / "ranks" / str(rank) / "stderr.log"
        return excerpt(next((log for log in [here, *logs] if log.is_file()), self._folder / LOG))

    def _hosts(self) -> set[str]:
        return {place.host for place in self._locations.values() if place.host is not None}

    def _where(self, rank: int) -> str:
        """The node of a rank as part of a sentence, if its launch used several."""
        host = self._locations[rank].host
        return f" on {host}" if host is not None and len(self._hosts()) > 1 else ""


def _number(step: int | None) -> int:
    return -1 if step is None else step


def _signal(number: int) -> str:
    """A signal as part of a sentence."""
    if number == signal.SIGKILL:
        return "SIGKILL (most often sent by the kernel for lack of memory)"
    if number == signal.SIGTERM:
        return "SIGTERM, which came from outside the launch"
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name of its own
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"
