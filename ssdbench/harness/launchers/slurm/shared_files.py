"""Shared file systems, which may show a file some time after another machine has written it."""

import time
from pathlib import Path

_POLL_SECONDS = 0.5
_VISIBLE_SECONDS = 60.0


def wait_for(file: Path) -> bool:
    """Wait, for at most a minute, until a file written by another machine is visible; returns whether it is."""
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        next(file.parent.iterdir(), None)  # makes a network file system ask its server
        time.sleep(_POLL_SECONDS)
    return file.exists()
