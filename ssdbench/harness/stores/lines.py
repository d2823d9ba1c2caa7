"""Files of JSON lines: written whole beside their name and renamed, or grown line by line on disk."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec

T = TypeVar("T")


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
    part = path.with_name(path.name + ".part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def append_line(path: Path, line: str) -> None:
    """Add a line behind the last whole one (one that was cut off is cut away); on disk when this returns.

    Raises:
        StoreError: the file cannot be written.
    """
    with _writing(path), path.open("r+b") as file:
        _go_behind_last_whole_line(file)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _go_behind_last_whole_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if codec.is_whole(content[start:]):
        file.write(b"\n")
    else:
        file.truncate(start)
        file.seek(start)


def remove(path: Path) -> None:
    """Remove a file.

    Raises:
        StoreError: its folder cannot be written.
    """
    with _writing(path):
        path.unlink()


def read_header(kind: type[T], path: Path) -> T:
    """The first line alone, as an object of `kind`.

    Raises:
        StoreError: the line cannot be read.
    """
    with _reading(path), path.open("rb") as file:
        return codec.read(kind, file.readline(), f"{path} line 1")


def read_all(path: Path) -> tuple[list[bytes], bool]:
    """All whole lines without their line feeds, and whether a last one was cut off and left out.

    Raises:
        StoreError: the file cannot be read.
    """
    with _reading(path):
        content = path.read_bytes()
    *lines, tail = content.split(b"\n")
    torn = bool(tail) and not codec.is_whole(tail)
    return [*lines, tail] if tail and not torn else lines, torn


def parsed(kind: type[T], lines: Sequence[bytes], path: Path, first: int) -> list[T]:
    """Lines as objects of `kind`; `first` is the number of the first one in its file, counted from 1.

    Raises:
        StoreError: a line cannot be read.
    """
    return [codec.read(kind, line, f"{path} line {number}") for number, line in enumerate(lines, start=first)]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check the path") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another folder for results") from error
