"""How long a thread could have run and had no CPU, because something else had it (Linux counts it for each thread)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


def open_run_queue(schedstat: Path = _SCHEDSTAT) -> Callable[[], float] | None:
    """A function that returns the seconds that the calling thread of this function has waited for a CPU.

    A call takes about a microsecond. None where the system does not count it.
    """
    try:
        file = os.open(schedstat, os.O_RDONLY)
    except OSError:
        return None

    def waited_seconds() -> float:
        return int(os.pread(file, 96, 0).split()[1]) / 1e9  # run, waited, slices

    try:
        waited_seconds()
    except (OSError, ValueError, IndexError):
        os.close(file)
        return None
    return waited_seconds
