"""Where the file names of an annotation file lead: which names are refused, which files are out of the data set.

A data set may come from a stranger. Its names must not make a pipeline read, or `ssdbench evaluate --sheet` show,
pictures from elsewhere on the machine.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path, PurePosixPath

from ssdbench.compatibility import dataclass

MAX_PART_BYTES = 255  # Linux: NAME_MAX
# Of a whole name, far below Linux's 4,096: names become an array in which each takes as much memory as the longest.
MAX_NAME_BYTES = 1024


def name_fault(name: str) -> str | None:
    """What is wrong with a file name before any file is looked at; None if nothing is."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if not name or "\0" in name:
        return "is empty" if not name else "contains a NUL"
    if len(encoded) > MAX_NAME_BYTES or any(len(part) > MAX_PART_BYTES for part in encoded.split(b"/")):
        return f"has more than {MAX_PART_BYTES} bytes between slashes, or {MAX_NAME_BYTES} in all"
    parts = PurePosixPath(name).parts
    return "leads out of the folder" if ".." in parts or parts[:1] == ("/",) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """The folder of the images of a split, in a data set that may contain links.

    Links within the data set are followed. One that leads out of it is followed only with `follow_links`, as in a data
    set of links into a shared store. The folder itself may be a link: its owner made it, no annotation file can.
    """

    root: Path
    data_set: Path
    follow_links: bool = False
    _inside: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Resolve both folders once."""
        inside = tuple(f"{os.path.realpath(folder)}/" for folder in (self.root, self.data_set))
        object.__setattr__(self, "_inside", inside)

    def outside(self, name: str) -> str | None:
        """Where a name leads if that is out of the data set and not allowed; None otherwise."""
        if self.follow_links:
            return None
        path = self.root / name
        if "/" not in name and not path.is_symlink():
            return None
        target = os.path.realpath(path)
        return None if target.startswith(self._inside) else target


def stamp(root: Path, names: Sequence[str]) -> str:
    """A digest of name, size and time of modification of each image, and of where links lead. It opens no image.

    It changes when an image is replaced, removed or linked elsewhere, unless size and time stay the same.
    """
    digest = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape"))
    parents = sorted({name.rpartition("/")[0] for name in names})
    facts = [f"{parent}\0{os.path.realpath(root / parent)}" for parent in parents if parent]
    folder = os.open(root, os.O_RDONLY)
    try:
        for fact in facts:
            digest.update(f"{fact}\n".encode("utf-8", "surrogateescape"))
        for name in names:
            digest.update(f"{name}\0{_facts(name, folder)}\n".encode("utf-8", "surrogateescape"))
    finally:
        os.close(folder)
    return digest.hexdigest()


def _facts(name: str, folder: int) -> str:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return f"{stat.S_IFMT(status.st_mode)} {status.st_size} {status.st_mtime_ns}"
        target = os.stat(name, dir_fd=folder)
        return f"{os.readlink(name, dir_fd=folder)}\0{target.st_size} {target.st_mtime_ns}"
    except OSError as error:
        return f"error {error.errno}"
