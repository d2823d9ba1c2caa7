"""Files of JSON lines: written to a temporary file and renamed, or appended line by line."""

import os
import stat
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ssdbench.atomic import atomic_file
from ssdbench.errors import StoreError
from ssdbench.harness.stores import strict_json
from ssdbench.harness.stores.archive import Lines


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write all lines, or leave the file as it was.

    Raises:
        StoreError: the folder cannot be written.
    """
    write_bytes(path, b"".join(line.encode() + b"\n" for line in lines))


def write_bytes(path: Path, content: bytes) -> None:
    """Write the content whole, or leave the file as it was.

    Raises:
        StoreError: the folder cannot be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as part, part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines after the last complete one (an incomplete one is removed); on disk when this returns.

    Raises:
        StoreError: the file cannot be written.
    """
    with _writing(path), path.open("r+b") as file:
        _seek_after_last_whole_line(file)
        file.write(b"".join(line.encode() + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def _seek_after_last_whole_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if strict_json.is_whole(content[start:]):
        file.write(b"\n")
    else:
        file.truncate(start)
        file.seek(start)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StoreError: its folder cannot be written.
    """
    with _writing(path):
        path.unlink(missing_ok=True)


def read_first(path: Path) -> Lines:
    """The first line alone.

    Raises:
        StoreError: the file cannot be read.
    """
    with _reading(path) as file:
        return Lines(source=str(path), lines=[file.readline(strict_json.LARGEST_LINE_BYTES).removeprefix(BOM_UTF8)])


def read_all(path: Path) -> Lines:
    """All whole lines without their line feeds; a last one that was cut off is left out.

    Raises:
        StoreError: the file cannot be read.
    """
    with _reading(path) as file:
        content = file.read().removeprefix(BOM_UTF8)
    *lines, tail = content.split(b"\n")
    torn = bool(tail) and not strict_json.is_whole(tail)
    return Lines(source=str(path), lines=[*lines, tail] if tail and not torn else lines, torn=torn)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """The file, which is a regular one: a FIFO would be waited for, without end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StoreError(f"{path}: not a file of lines but {_kind(path)}; remove it")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise StoreError(f"{path}: a link to a file that is not there; remove it") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a FIFO" if path.is_fifo() else "a device or socket"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another folder for results") from error
