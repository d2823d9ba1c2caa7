"""What every launcher does with a launch that runs: pass its events on until it ends or its time is up."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

Event = dict[str, object]

# Rare, because on a CPU the host's own work is foreign work beside the measurement.
_POLL_SECONDS = 0.25


class Running(Protocol):
    """A launch that was started, wherever it runs."""

    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""


def follow(running: Running, folder: Path, limit_seconds: float, on_event: Callable[[Event], None]) -> bool:
    """Pass the events of rank 0 on until the launch ends (True) or its time is up (False)."""
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
    """The events written since the last look; a line still being written is left for the next one."""
    while not path.exists():
        yield []
    with path.open(encoding="utf-8") as file:
        rest = ""
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            yield [json.loads(line) for line in lines]
