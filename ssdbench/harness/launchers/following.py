"""Follows a running launch: passes its events on until it ends or reaches its time limit."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

Event = dict[str, object]

# Infrequent, because on a CPU the host's work disturbs the measurement.
_POLL_SECONDS = 0.25


class Running(Protocol):
    """A launch that was started, on whichever machine."""

    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""


def follow(running: Running, folder: Path, limit_seconds: float, on_event: Callable[[Event], None]) -> bool:
    """Pass the events of rank 0 on until the launch ends (True) or reaches its time limit (False)."""
    deadline = time.monotonic() + limit_seconds
    events = tail(folder / "events-0.jsonl")
    while running.exit_code() is None:
        for event in next(events):
            on_event(event)
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    for event in next(events):
        on_event(event)
    return True


def tail(path: Path) -> Iterator[list[Event]]:
    """Yields the events written since the last time; a line still being written is left for the next."""
    while not path.exists():
        yield []
    with path.open(encoding="utf-8") as file:
        rest = ""
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            yield [json.loads(line) for line in lines]
