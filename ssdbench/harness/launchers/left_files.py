"""Reads the small files that ranks leave in the folder of their launch, whatever state these are in.

A rank may be killed while it writes, its disk may be full, and its ssdbench may be older or newer than this one. What
cannot be read is as good as not there: a launch that went wrong is a failure, and the run continues.
"""

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ssdbench.schema.record import Failure, FailureKind, Memory

MOST_BYTES = 256 * 2**20
"""The largest file of a launch that is read: a record of 10,000 steps has 1 MB."""
_MOST_BYTES_OF_A_REPORT = 2**20
_MESSAGE_BYTES = 2000
_LARGEST_INTEGER = 2**63 - 1
# Less is left for nothing: one page of memory for a rank's step, and a line for each event.
_FULL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a rank reported of its failure; `failed_at` is in seconds since 1970, on that rank's machine."""

    rank: int
    failure: Failure
    failed_at: float
    is_readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The machine of a rank and the file of its standard error; None if it did not report them."""

    host: str | None = None
    log: Path | None = None


def read_reports(folder: Path, world_size: int) -> list[Report]:
    """The failures that ranks reported, the earliest first."""
    found = [_read_report(path, rank) for rank in range(world_size) if (path := _report_file(folder, rank)).exists()]
    return sorted(found, key=lambda report: report.failed_at)


def read_exits(folder: Path) -> dict[int, int]:
    """The exit codes of ranks (minus the signal's number), as far as they ended by themselves."""
    exits: dict[int, int] = {}
    for path in sorted(folder.glob("exits*.json")):
        for rank, code in read_object(path).items():
            if rank.isdecimal() and _whole(code) is not None:
                exits[int(rank)] = code
    return dict(sorted(exits.items()))


def read_location(folder: Path, rank: int) -> Location:
    """Where a rank ran."""
    found = read_object(folder / f"place-{rank}.json")
    host, log = found.get("host"), found.get("log")
    return Location(
        host=host if isinstance(host, str) else None,
        log=Path(log) if isinstance(log, str) and "\0" not in log else None,
    )


def read_last_step(folder: Path, rank: int) -> int | None:
    """The last step that a rank finished; None before the first."""
    content = read_bytes(folder / f"step-{rank}", 8)
    if content is None or len(content) != 8:  # a full disk leaves an empty file
        return None
    (step,) = struct.unpack("<q", content)
    return step if step >= 0 else None


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    content = read_bytes(path, _MOST_BYTES_OF_A_REPORT)
    try:
        found = json.loads(content) if content is not None else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_bytes(path: Path, most_bytes: int) -> bytes | None:
    """The first `most_bytes` of a regular file; None if it cannot be read. Anything else could block or never end."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(most_bytes)
    except OSError:
        return None


def is_disk_full(folder: Path) -> bool:
    """Whether the file system of a folder has no room left for the files of a launch."""
    try:
        system = os.statvfs(folder)
    except OSError:
        return False
    return system.f_bavail * system.f_frsize < _FULL_BYTES or (system.f_files > 0 and system.f_favail == 0)


def shorten_bytes(text: str, most_bytes: int) -> str:
    """A text of at most so many bytes in UTF-8; what is cut off is replaced by "..."."""
    content = text.encode("utf-8", errors="replace")
    if len(content) <= most_bytes:
        return text
    return content[: most_bytes - 3].decode("utf-8", errors="ignore") + "..."


def _report_file(folder: Path, rank: int) -> Path:
    return folder / f"failure-{rank}.json"


def _read_report(path: Path, rank: int) -> Report:
    found = read_object(path)
    kind, message, memory = found.get("kind"), found.get("message"), found.get("memory")
    if not isinstance(kind, str) or not isinstance(message, str):
        message = f"rank {rank} failed, and its report {path.name} cannot be read"
        return Report(
            rank=rank, failure=Failure(kind="crash", message=message), failed_at=_written_at(path), is_readable=False
        )
    known: FailureKind | None = next((name for name in get_args(FailureKind) if name == kind), None)
    # Written by a newer ssdbench, for example by the baseline arm: this one could not read its own record again.
    text = message if known is not None else f"{kind}: {message}"
    at = found.get("failed_at")
    return Report(
        rank=rank,
        failure=Failure(
            kind=known or "crash",
            message=shorten_bytes(text, _MESSAGE_BYTES),
            rank=rank,
            last_step=_whole(found.get("last_step")),
            memory=memory if memory in get_args(Memory) else None,
        ),
        failed_at=at if isinstance(at, float) and math.isfinite(at) else _written_at(path),
    )


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf


def _whole(value: object) -> int | None:
    """A whole number that a record can hold; None for anything else."""
    return value if type(value) is int and abs(value) <= _LARGEST_INTEGER else None
