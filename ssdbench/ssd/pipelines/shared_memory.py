"""Shared memory for the worker processes of a DataLoader, which send their batches through it.

Containers often have 64 MiB of it (docker's default). A worker that finds too little cannot send its batch, and the
process that waits for the batch would wait for ever.
"""

from __future__ import annotations

import multiprocessing.queues
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

FOLDER = Path("/dev/shm")
BATCHES_PER_WORKER = 2  # torch's default `prefetch_factor`

_REMEDY = (
    "enlarge it (docker: --shm-size or --ipc=host; ssdbench's containers.toml: shared_memory), or use fewer threads"
)


def require_shared_memory(workers: int, batch_bytes: int, folder: Path = FOLDER) -> None:
    """Check that `workers` processes can keep all their batches in shared memory.

    Raises:
        MemoryError: they cannot, in a sentence that says how much they need.
    """
    needed = workers * BATCHES_PER_WORKER * batch_bytes
    free = _free_bytes(folder)
    if needed and free is not None and free < needed:
        raise MemoryError(
            f"{workers} processes of the torchvision pipeline need {_mebibytes(needed)} of shared memory, {folder} has "
            f"{_mebibytes(free)} free: {_REMEDY}"
        )


def end_worker_that_cannot_send(_worker: int) -> None:
    """Have this worker process end if it cannot send a batch; otherwise it would report that and continue.

    A function for `worker_init_fn`.
    """
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_end)  # type: ignore[attr-defined]


def worker_ended(error: RuntimeError, folder: Path = FOLDER) -> Exception:
    """What to raise for an error of a DataLoader: its own, unless a worker has ended for want of shared memory."""
    reason = next(iter(str(error).splitlines()), "")
    # Memory that cannot be had for a page is a bus error; `_end` is an unexpected exit.
    if "DataLoader worker" not in reason or not ("Bus error" in reason or "exited unexpectedly" in reason):
        return error
    free = _free_bytes(folder)
    left = "" if free is None else f", of which {folder} has {_mebibytes(free)} free"
    return MemoryError(
        f"a process of the torchvision pipeline ended for want of shared memory{left} ({reason}): {_REMEDY}"
    )


def _end(error: BaseException, _item: object) -> NoReturn:
    traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.flush()
    os._exit(1)


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except (OSError, AttributeError):
        return None  # another system, where shared memory is elsewhere
    return found.f_bavail * found.f_frsize


def _mebibytes(count_bytes: int) -> str:
    return f"{count_bytes / 2**20:.0f} MiB"
