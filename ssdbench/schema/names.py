"""Names that people write: which may name a file, which known one was meant, and how one is quoted in a sentence."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable

LONGEST_NAME = 100
"""Letters of a suite's name, which is part of a run's id and so of file names."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_LETTERS = 200
_FILE_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9 _.,=+-]{{0,{_MOST_LETTERS - 1}}}")
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_.,=+-]+")


def is_name(text: str) -> bool:
    """Whether this can be a name that file names are made of: letters, digits, '.', '_' and '-'."""
    return _NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME


def file_name(key: str) -> str:
    """The name of a case's folder: its key, or if that is long or has other letters, a part of it and a hash.

    So a folder is always one below its parent, and a suffix of 50 letters still fits what file systems allow.
    """
    if _FILE_NAME.fullmatch(key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{_NOT_IN_FILE_NAMES.sub('_', key)[:100].lstrip('.-')}-{digest}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`did you mean 'steps'? ` where one of the known words is near, else nothing."""
    close = difflib.get_close_matches(str(word)[:LONGEST_NAME], list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def quoted(value: object, letters: int = 80) -> str:
    """A value as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= letters else f"{text[: letters - 3]}..."
