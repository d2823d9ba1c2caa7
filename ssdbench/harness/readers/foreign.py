"""Reads files of other tools: text, JSON and finite numbers."""

import json
import math
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); check the path") from None


def read_json(path: Path, form: str) -> Any:
    """The content of a JSON file; `form` names what it should be.

    Raises:
        UsageError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error}); give a file of {form}") from None


def number(found: object, place: str) -> float:
    """`found` as a finite number.

    Raises:
        UsageError: it is not one; `place` names file and key.
    """
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise UsageError(f"{place}: {found!r:.40} is not a finite number; correct the file")
    return float(found)
