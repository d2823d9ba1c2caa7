"""Reads files of other tools: text, JSON and finite numbers."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.schema.names import quoted


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read ({error}); give a text file in UTF-8") from None


def read_json(path: Path, form: str) -> Any:
    """The content of a JSON file; `form` names what it should be.

    Raises:
        UsageError: it cannot be read, or is not JSON.
    """
    return parse_json(read_text(path), str(path), f"give a file of {form}")


def parse_json(text: str, place: str, remedy: str) -> Any:
    """The content of a JSON text.

    Raises:
        UsageError: it is not JSON, is nested too deep, or has a key twice, of which one would be lost.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON ({error!s:.200}); {remedy}") from None


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {quoted(key)} is given twice")
        found[key] = value
    return found


def number(found: object, place: str) -> float:
    """`found` as a finite number.

    Raises:
        UsageError: it is not one; `place` names file and key.
    """
    if isinstance(found, (int, float)) and not isinstance(found, bool) and abs(found) <= sys.float_info.max:
        return float(found)
    raise UsageError(f"{place}: {quoted(found)} is not a finite number; correct the file")
