"""Claims as files, made by `link`, which NFS and Lustre carry out for one process alone without any lock daemon."""

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssdbench.errors import StoreError

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_LONGEST_NAME = 200
_REMOVING_SECONDS = 30.0
"""A removal takes milliseconds: one that is older was killed."""


class FileClaims:
    """The claims in a folder, which is made when it is needed and which git ignores; see `Claims`.

    Raises:
        StoreError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def claim(self, name: str, text: str) -> bool:
        with self._sentences():
            self._make_folder()
            with self._written(text) as part:
                return _link(part, self._path(name), text)

    def find(self, name: str) -> str | None:
        with self._sentences(), suppress(FileNotFoundError):
            # Opening it has NFS ask the server, and not its cache, about the file's time as well.
            return self._path(name).read_text(encoding="utf-8", errors="replace")
        return None

    def age_seconds(self, name: str) -> float:
        with self._sentences(), suppress(FileNotFoundError), self._written("") as now:
            # Both times are of the file system's clock, which may be another machine's.
            return now.stat().st_mtime - self._path(name).stat().st_mtime
        return 0.0

    def renew(self, name: str, text: str) -> bool:
        with self._sentences(), suppress(FileNotFoundError):
            if self.find(name) == text:
                os.utime(self._path(name))
                return True
        return False

    def remove(self, name: str, text: str) -> bool:
        with self._sentences(), suppress(FileNotFoundError), self._removing(name):
            if self.find(name) == text:
                self._path(name).unlink()
                return True
        return False

    def _path(self, name: str) -> Path:
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / f"{name}.lock"

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / ".gitignore").write_text("*\n", encoding="ascii")

    @contextmanager
    def _written(self, text: str) -> Iterator[Path]:
        """A file of its own with this text, for as long as the block."""
        part = self._folder / f"{secrets.token_hex(8)}.part"
        try:
            _create(part, text)
            yield part
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _removing(self, name: str) -> Iterator[None]:
        """One process at a time removes a claim, so that none removes the claim that another made meanwhile."""
        guard = self._path(name).with_suffix(".removing")
        while True:
            try:
                _create(guard, "")
                break
            except FileExistsError:
                with suppress(FileNotFoundError), self._written("") as now:
                    if now.stat().st_mtime - guard.stat().st_mtime > _REMOVING_SECONDS:
                        guard.unlink(missing_ok=True)
                time.sleep(0.01)
        try:
            yield
        finally:
            guard.unlink(missing_ok=True)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self._folder}: cannot be written ({error.strerror}); choose another folder for results"
            ) from error


def _link(part: Path, path: Path, text: str) -> bool:
    try:
        os.link(part, path)
        return True
    except OSError as error:
        if error.errno in _NO_LINKS:
            return _created(path, text)
        # NFS repeats a request whose answer was lost, and then reports that the file exists.
        if part.stat().st_nlink == 2:
            return True
        if isinstance(error, FileExistsError):
            return False
        raise


def _created(path: Path, text: str) -> bool:
    try:
        _create(path, text)
        return True
    except FileExistsError:
        return False


def _create(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
