"""Writes text where the user wants it: to a file, to the end of one, or to standard output."""

from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.cli.printing import print_document
from ssdbench.errors import StoreError

STANDARD_OUTPUT = Path("-")


def write(path: Path | None, text: str, *, append: bool = False) -> None:
    """Write a file, or add to it; None and `-` are standard output.

    Raises:
        StoreError: the file cannot be written.
    """
    if path is None or path == STANDARD_OUTPUT:
        print_document(text)
        return
    try:
        with path.open("a" if append else "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, completely or not at all; a missing folder is created.

    Raises:
        StoreError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
