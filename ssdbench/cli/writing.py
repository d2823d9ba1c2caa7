"""The one writer of every verb: to a file, to the end of one, or to standard output; missing folders are made."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.cli.printing import print_bytes, print_document
from ssdbench.errors import StoreError

STANDARD_OUTPUT = Path("-")


def write(path: Path | None, text: str, *, append: bool = False) -> None:
    """Write a file in UTF-8, completely or not at all, or add to it; None and `-` are standard output.

    Raises:
        StoreError: the file cannot be written.
    """
    if path is None or is_standard_output(path):
        print_document(text)
        return
    with _writing(path):
        if append:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
        else:
            with atomic_file(path) as part:
                part.write_text(text, encoding="utf-8", newline="\n")


def require_writable(*paths: Path | None) -> None:
    """Check that these files can be written later, before what takes hours; None and `-` can.

    Raises:
        StoreError: one cannot.
    """
    for path in paths:
        if path is None or is_standard_output(path):
            continue
        with _writing(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, completely or not at all; `-` is standard output.

    Raises:
        StoreError: the file cannot be written.
        UsageError: standard output is a terminal.
    """
    if is_standard_output(path):
        print_bytes(content)
        return
    with _writing(path), atomic_file(path) as part:
        part.write_bytes(content)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def is_standard_output(path: Path) -> bool:
    """`-`, or another name of what standard output is, such as /dev/stdout; not a file that it is redirected to."""
    if path == STANDARD_OUTPUT:
        return True
    try:
        return not path.is_file() and os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False
