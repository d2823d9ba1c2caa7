"""The cache: synthetic and prepared data, and the folders of launches, which have their logs."""

import errno
import os
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError


class CacheFullError(EnvironmentLacksError):
    """The disk of the cache has no room left; a launch that meets it has failed, and the run continues."""


def cache_folder() -> Path:
    """SSDBENCH_CACHE, else a folder of ssdbench in the user's cache folder."""
    explicit = os.environ.get("SSDBENCH_CACHE")
    if explicit:
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssdbench"


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
