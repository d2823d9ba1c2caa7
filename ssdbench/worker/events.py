"""Progress reports of a worker, for displays and for diagnosis.

`events-<rank>.jsonl` has one JSON line per event. `step-<rank>` holds the number of the last finished step (8 bytes,
little-endian, -1 before the first). It is memory-mapped, which takes less than a microsecond per step and survives when
the rank is killed: so the host can see which of several stalled ranks is behind the others.
"""

from __future__ import annotations

import json
import mmap
import struct
import time
from pathlib import Path

# A line costs the host some microseconds: this interval makes that negligible and is short enough for a live display.
_STEP_INTERVAL_SECONDS = 0.2


class Events:
    """The event stream of one rank."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._file = (folder / f"events-{rank}.jsonl").open("a", buffering=1, encoding="utf-8")
        heartbeat = folder / f"step-{rank}"
        heartbeat.write_bytes(struct.pack("<q", -1))
        with heartbeat.open("r+b") as file:
            self._heartbeat = mmap.mmap(file.fileno(), 8)
        self._next_step_line = 0.0
        self.last_step: int | None = None

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._heartbeat.close()

    def phase(self, name: str) -> None:
        """Report that a phase begins: build, warm-up, measure, profile, write or done.

        `epoch_seconds` gives the same moment for other machines, whose monotonic clocks differ.
        """
        self._write({"event": "phase", "phase": name, "seconds": time.monotonic(), "epoch_seconds": time.time()})

    def step(self, finished: int, now_seconds: float) -> None:
        """Report that step `finished` (from 0, including warm-up) was submitted; not every step gets a line."""
        self.last_step = finished
        struct.pack_into("<q", self._heartbeat, 0, finished)
        if now_seconds >= self._next_step_line:
            self._next_step_line = now_seconds + _STEP_INTERVAL_SECONDS
            self._write({"event": "step", "step": finished, "seconds": now_seconds})

    def report(self, event: str, **facts: object) -> None:
        """Report anything else that a display may show; worker and display agree on names and facts."""
        self._write({"event": event, **facts})

    def _write(self, event: dict[str, object]) -> None:
        self._file.write(json.dumps(event) + "\n")
