"""Files and folders that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_PART = re.compile(r"\.[0-9a-f]{16}\.part$")
_LEFTOVER_SECONDS = 24 * 3600.0


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path next to `path` to write to; when the block ends, it replaces `path` in one step.

    What exists and is not a regular file (a device, a FIFO, `/dev/stdout`) stays what it is and is written in place; of
    a link, the file it leads to is replaced. After an error the partial file is removed and `path` is as before. A
    process that is killed within the block leaves `path` as it was, and a file NAME.….part, which the first write to
    that folder after a day removes.

    Raises:
        IsADirectoryError: `path` is a folder.
    """
    if _is_written_in_place(path):
        yield path
        return
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    _remove_leftovers(target.parent)
    # Nobody can foresee the name and plant a link there: the file is new, or this fails.
    part = target.with_name(f"{target.name[:40]}.{secrets.token_hex(8)}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield part
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _is_written_in_place(path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return not stat.S_ISREG(found.st_mode) or _is_standard_stream(found)


def _is_standard_stream(found: os.stat_result) -> bool:
    """Whether it is what a standard stream was redirected to: /dev/stdout leads to it."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(found, os.fstat(descriptor)):
                return True
    return False


@lru_cache(maxsize=None)
def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder; once in a process, since a folder may hold many files."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _PART.search(path.name):
                with suppress(OSError):
                    if time.time() - path.lstat().st_mtime > _LEFTOVER_SECONDS:
                        path.unlink()


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to `folder` to fill; when the block ends, it is renamed to `folder`.

    Missing parents are created. After an error the partial folder is removed.

    Raises:
        OSError: `folder` exists by then and is not empty: another process was first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        yield part
        part.chmod(0o755)  # mkdtemp gives access to this user alone; a container may run as another one
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
