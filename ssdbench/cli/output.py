"""Files that a command is told to write."""

from pathlib import Path

from ssdbench.errors import StoreError


def write_text(path: Path, text: str) -> None:
    """Write a file whole, in UTF-8; its folder is made where it is missing.

    Raises:
        StoreError: it cannot be written there.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
