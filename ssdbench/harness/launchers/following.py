"""Follows a running launch: passes its events on until it ends or reaches its time limit."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

Event = dict[str, object]

# Infrequent, because on a CPU the host's work disturbs the measurement.
_POLL_SECONDS = 0.25
# A line still being written is not longer; more without an end is no line of ours.
_MOST_LINE_BYTES = 64 * 1024
_LARGEST = 2**53


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST  # type: ignore[operator]


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _is_figure(value: object) -> bool:
    return value is None or _is_number(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# What displays and monitors read of each event; `worker` writes them.
_FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "phase": {"phase": _is_text, "seconds": _is_number},
    "step": {"step": _is_count, "seconds": _is_number},
    "steps": {"warmup_steps": _is_count, "timed_steps": _is_count},
    "training": {"epochs": _is_count, "steps": _is_count},
    "loss": {"step": _is_count, "loss": _is_number},
    "epoch": {
        **{"epoch": _is_count, "loss": _is_number, "ap": _is_figure, "ap_50": _is_figure},
        **{"images_per_second": _is_number, "seconds": _is_number},
    },
}


class Running(Protocol):
    """A launch that was started, on whichever machine."""

    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""


class StoppedError(Exception):
    """A launch is to end before it has a result."""


def follow(
    running: Running, folder: Path, limit_seconds: float, on_event: Callable[[Event], None],
    stop: threading.Event | None = None,
) -> bool:  # fmt: skip
    """Pass the events of rank 0 on until the launch ends (True) or reaches its time limit (False).

    Raises:
        StoppedError: `stop` was set before that.
    """
    deadline = time.monotonic() + limit_seconds
    events = tail(folder / "events-0.jsonl")
    while running.exit_code() is None:
        for event in next(events):
            on_event(event)
        if stop is not None and stop.is_set():
            raise StoppedError
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    for event in next(events):
        on_event(event)
    return True


def tail(path: Path) -> Iterator[list[Event]]:
    """Yields the events written since the last time; a line still being written is left for the next.

    Lines that are no event known here are omitted: a worker can be of another version, and its disk can be full.
    """
    while not path.is_file():
        yield []
    with path.open("rb") as file:
        rest = b""
        while True:
            *lines, rest = (rest + file.read()).split(b"\n")
            rest = rest[:_MOST_LINE_BYTES]
            yield [event for line in lines if (event := read_event(line)) is not None]


def read_event(line: str | bytes) -> Event | None:
    """The event in a line; None if it is not a whole event that this ssdbench knows."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    fields = _FIELDS.get(str(found.get("event"))) if isinstance(found, dict) else None
    if fields is None or not all(is_right(found.get(name)) for name, is_right in fields.items()):
        return None
    event: Event = found
    return event
