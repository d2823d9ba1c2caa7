"""Runs programs, and leaves none of their processes behind.

`python -m ssdbench.runtime.supervision MODULE ARGUMENTS...` runs `python -m MODULE ARGUMENTS...` to its end and ends
together with the process that the variable of `HOST_PROCESS` names.

On Linux this process adopts the orphans below it (`PR_SET_CHILD_SUBREAPER`, prctl(2)). So a process that left the
session of the program that started it, or whose parent has ended, is still a descendant and ends with it. Elsewhere
only the programs themselves are ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ssdbench.runtime.process import descendants, die_with_parent
from ssdbench.schema.case import HOST_PROCESS

_PR_SET_CHILD_SUBREAPER = 36
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_POLL_SECONDS = 0.02
# The host waits longer than both together before it kills the whole tree (`harness.process`).
SETTLE_SECONDS = 0.5
"""How long the other programs may still end by themselves after one has failed: each is a report of its own."""
GRACE_SECONDS = 3.0
"""How long programs may take to end after SIGTERM."""


class StoppedError(Exception):
    """A signal asked this process to end."""


def start_program(command: Sequence[str], variables: Mapping[str, str], log_folder: Path) -> int:
    """Start a program whose output goes to stdout.log and stderr.log; returns its process id for `wait_for_programs`.

    It gets `variables` in addition to those of this process.
    """
    log_folder.mkdir(parents=True)
    stdout, stderr = log_folder / "stdout.log", log_folder / "stderr.log"
    with stdout.open("wb") as out, stderr.open("wb") as error:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=error, env={**os.environ, **variables}
        )
    process.returncode = 0  # `wait_for_programs` reaps it: this object is not to wait for it as well
    return process.pid


def adopt_orphans() -> None:
    """Make this process the parent of all orphans below it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within the block, signals that end a process raise `StoppedError` once, and afterwards nothing."""

    def stop(number: int, _frame: object) -> None:
        ignore_stops()
        raise StoppedError(signal.Signals(number).name)

    for number in _STOPS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        ignore_stops()


def ignore_stops() -> None:
    """Ignore further signals that end a process: what is left to do is to end the others."""
    for number in _STOPS:
        signal.signal(number, lambda *_: None)  # SIG_IGN would be inherited by a child


def wait_for_programs(programs: Mapping[int, int], on_end: Callable[[int, int], None]) -> None:
    """Wait until all programs have ended, or one has failed and the others had a moment to end by themselves.

    `programs` has their names by process id. `on_end` gets the name and the exit code (minus the signal's number) of
    each program that ended. Adopted orphans that end meanwhile are reaped.
    """
    left, failed = dict(programs), False
    deadline = 0.0
    while left:
        pid, status = _reap(block=not failed)
        if pid in left:
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            on_end(left.pop(pid), code)
            if code != 0 and not failed:
                failed, deadline = True, time.monotonic() + SETTLE_SECONDS
        elif failed:
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_SECONDS)


def _reap(*, block: bool) -> tuple[int, int]:
    """The process id and status of a child that ended; (0, 0) if none did."""
    try:
        return os.waitpid(-1, 0 if block else os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def end_all(programs: Iterable[int] = ()) -> None:
    """End all descendants of this process: with SIGTERM, and what is left after the grace period with SIGKILL.

    `programs` are process ids that are ended where the system does not list the descendants.
    """
    known, begin = tuple(programs), time.monotonic()
    _signal_all(signal.SIGTERM, known)
    while _is_any_left() and (waited := time.monotonic() - begin) < 2 * GRACE_SECONDS:
        if waited > GRACE_SECONDS:
            # Each turn finds the children of those that were killed in the turn before.
            _signal_all(signal.SIGKILL, known)
        time.sleep(_POLL_SECONDS)


def _is_any_left() -> bool:
    """Reap what has ended; whether a child is left. Every living descendant has an ancestor that is a child."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _signal_all(number: signal.Signals, known: Iterable[int]) -> None:
    for pid in descendants(os.getpid()) or known:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def main() -> int:
    """Run a module with this process's output; returns its exit code in a shell's convention."""
    die_with_parent(HOST_PROCESS, signal.SIGTERM)
    adopt_orphans()
    exits: dict[int, int] = {}
    started = 0
    with stopped_by_signals():
        try:
            process = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], stdin=subprocess.DEVNULL)
            process.returncode = 0  # as in `start_program`
            started = process.pid
            wait_for_programs({started: 0}, exits.__setitem__)
        except StoppedError as stopped:
            return 128 + signal.Signals[str(stopped)]
        finally:
            ignore_stops()
            end_all([started] if started else [])
    return exits[0] if exits[0] >= 0 else 128 - exits[0]


if __name__ == "__main__":
    sys.exit(main())
