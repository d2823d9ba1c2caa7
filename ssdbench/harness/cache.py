"""The cache: synthetic and prepared data, and the folders of launches, which have their logs."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError

KEPT_DAYS = 30
"""How long the folders of launches are kept: records have what is judged, these have whole logs."""
_DAY_SECONDS = 86400.0


class CacheFullError(EnvironmentLacksError):
    """The disk of the cache has no room left; a launch that meets it has failed, and the run continues."""


def cache_folder() -> Path:
    """SSDBENCH_CACHE, else a folder of ssdbench in the user's cache folder."""
    explicit = os.environ.get("SSDBENCH_CACHE")
    if explicit:
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssdbench"


@contextmanager
def temporary_cache(folder: Path) -> Iterator[None]:
    """Use this folder as the cache of this process and of all that it starts, until the end of the block."""
    before = os.environ.get("SSDBENCH_CACHE")
    os.environ["SSDBENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSDBENCH_CACHE"]
        else:
            os.environ["SSDBENCH_CACHE"] = before


def work_folder() -> Path:
    """The folder of all launches, with a folder for each run."""
    return cache_folder() / "work"


def cache_error(error: OSError) -> EnvironmentLacksError:
    """The sentence for a file of the cache that cannot be written."""
    place = error.filename or cache_folder()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheFullError(
            f"{place} cannot be written ({error.strerror}): free space there, or set SSDBENCH_CACHE to another disk"
        )
    return EnvironmentLacksError(
        f"{place} cannot be written ({error.strerror}): set SSDBENCH_CACHE to a folder in which you can write"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """The folders of runs that were removed, or would be, and the size of their files."""

    folders: tuple[Path, ...]
    bytes: int


def clean_work(older_than_days: float, *, dry_run: bool = False) -> Cleaned:
    """Remove the folders of runs in which no file has changed for so many days.

    A job that waits in Slurm's queue keeps its run's folder.
    """
    latest = time.time() - older_than_days * _DAY_SECONDS
    removed, size = [], 0
    for folder in sorted(_folders(work_folder())):
        if folder.lstat().st_mtime > latest:  # nothing need be looked into
            continue
        newest, taken = _last_change(folder)
        if newest > latest or _waits_in_queue(folder):
            continue
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        if dry_run or not folder.exists():
            removed.append(folder)
            size += taken
    return Cleaned(folders=tuple(removed), bytes=size)


def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (entry for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())


def _last_change(folder: Path) -> tuple[float, int]:
    """When anything in a folder last changed (seconds since 1970), and the bytes of its files."""
    newest, size = folder.lstat().st_mtime, 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a launch in progress replaces its files
            found = path.lstat()
            newest = max(newest, found.st_mtime)
            size += found.st_size if path.is_file() else 0
    return newest, size


def _waits_in_queue(folder: Path) -> bool:
    # Slurm creates the log of a job when the job starts.
    jobs = [path.parent for path in folder.glob("*/job")]
    return any(not (launch / "launch.log").exists() for launch in jobs)
