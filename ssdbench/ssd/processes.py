"""Processes of the data commands: work on all cores, and none that outlives the command."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from types import FrameType
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

CHUNK = 32  # with fewer pieces of work than this, starting a process does not pay off
_PR_SET_PDEATHSIG = 1


def in_processes(function: Callable[[Work], Result], work: Sequence[Work]) -> Iterator[Result]:
    """Results in the order of `work`, computed in parallel on all cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = min(cores, len(work) // CHUNK)
    if processes < 2:
        yield from map(function, work)
        return
    # spawn: forking a process that has threads may deadlock
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=end_with, initargs=(os.getpid(), signal.SIGKILL)
    ) as pool:
        yield from pool.map(function, work, chunksize=max(1, min(CHUNK, len(work) // (4 * processes))))


def end_with(parent: int, number: int) -> None:
    """Ask the kernel to send this process a signal when its parent ends, and end if it has ended already (Linux).

    The parent may be killed, so it cannot be left to it to stop the processes it started.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def end_cleanly_on_sigterm() -> None:
    """Leave by SystemExit on SIGTERM, so that half-written folders are removed on the way; kill the own processes."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: a second one would interrupt the cleaning
    for process in active_children():  # they would finish all work that is waiting, in a folder that is removed
        process.kill()
    sys.exit(128 + number)
