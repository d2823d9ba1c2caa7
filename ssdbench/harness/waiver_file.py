"""Adds an entry to a file of waivers, and leaves what people wrote there as it is."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.stores.latest import Say
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import locked
from ssdbench.harness.toml_tables import parse_toml, validated
from ssdbench.harness.waivers import WaiverTable, read_waivers, waivers_of
from ssdbench.schema.waivers import Waiver

_LOCKS = ".locks"
_KEYS = ("case", "metric", "hardware", "ceiling", "expires", "issue", "owner", "reason")
_FLOAT = re.compile(r"0\.[0-9]+")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def new_waiver(values: Mapping[str, str], entry: int, flags: Mapping[str, str]) -> Waiver:
    """The waiver of these values, written as in a file; messages name a key by the option in `flags`.

    Raises:
        UsageError: one is missing, or cannot be.
    """
    table = validated(WaiverTable, dict(values), "command line", flags)
    return Waiver(entry=entry, **table.model_dump())


def entry_text(values: Mapping[str, str]) -> str:
    """An entry as TOML; the values are those of a valid waiver."""
    lines = [f"{key} = {_value(key, values[key])}" for key in _KEYS if key in values]
    return "\n".join(["[[waiver]]", *lines]) + "\n"


def append_entry(path: Path, values: Mapping[str, str], say: Say) -> tuple[Waiver, ...]:
    """Write an entry at the end of the file, which is made if it is not there; returns all waivers of it.

    Several processes may do so at once: none loses an entry of another.

    Raises:
        UsageError: the file cannot be read, or has its entries in a form to which none can be added.
        StoreError: it cannot be written, or another process keeps it for minutes.
    """
    with locked(FileClaims(path.parent / _LOCKS, str(path.parent)), path.name, f"writing to {path}", say):
        before = read_waivers(path)
        if path.exists() and not os.access(path, os.W_OK):  # it could be replaced all the same
            raise StoreError(f"{path}: is read-only; make it writable, or have its owner add the entry")
        old = path.read_bytes() if before or path.exists() else b""
        new = old + _separated(old, entry_text(values))
        added = new_waiver(values, len(before) + 1, {})
        try:
            found = waivers_of(parse_toml(new.decode("utf-8-sig"), str(path)), str(path))
        except UsageError:
            found = ()
        if found != (*before, added):
            raise UsageError(f"{path}: no entry can be added at its end; write each waiver as a [[waiver]] table")
        try:
            with atomic_file(path) as part:
                part.write_bytes(new)
                if path.exists():  # whoever may read or write it still may
                    part.chmod(path.stat().st_mode & 0o7777)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written ({error.strerror}); make the folder writable") from error
    return found


def _separated(old: bytes, text: str) -> bytes:
    """The text with what has to stand between it and the old content, and with the line ends of that."""
    before = "" if not old else "\n" if old.endswith(b"\n") else "\n\n"
    added = (before + text).encode()
    return added.replace(b"\n", b"\r\n") if b"\r\n" in old else added


def _value(key: str, text: str) -> str:
    # TOML has fewer forms of a number than a ceiling: not .2, for one.
    is_plain = key == "expires" or (key == "ceiling" and _FLOAT.fullmatch(text))
    return text if is_plain else f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    """A letter within a TOML string; one that nobody sees is written as a number."""
    if letter in _ESCAPES or letter.isprintable():
        return _ESCAPES.get(letter, letter)
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
