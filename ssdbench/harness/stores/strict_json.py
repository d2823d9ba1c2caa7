"""JSON as it is stored: parsed within bounds, written in one form, with a checksum as the last key of a line."""

import hashlib
import json
import re
from typing import Any

CHECKSUM = "checksum"
LARGEST_LINE_BYTES = 2**28
"""A launch of a million steps has some 40 MB."""

_LARGEST_INTEGER_DIGITS = 19  # of 64 bits, which is what any reader takes
_SEALED = re.compile(rb',"checksum":"([0-9a-f]{16})"\}\s*$')


class JsonError(ValueError):
    """What is wrong with a JSON text, as the end of a sentence."""


class ChecksumError(JsonError):
    """The checksum of a line is that of another content."""


def canonical(plain: object) -> str:
    """One line: keys sorted, no spaces, floats as the shortest text that reads back to the same bits."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A file name that is not UTF-8 comes with surrogates, which no file in UTF-8 can have.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def sealed(line: str) -> str:
    """A canonical object with its checksum as the last key."""
    return f'{line[:-1]},"{CHECKSUM}":"{_digest(line.encode())}"}}'


def unsealed(text: bytes) -> bytes | None:
    """The canonical object of a line as `sealed` wrote it; None where the checksum is not there, or elsewhere.

    Raises:
        JsonError: the checksum is of another content.
    """
    found = _SEALED.search(text)
    if found is None:
        return None
    line = text[: found.start()] + b"}"
    _require(found[1].decode(), line)
    return line


def has_checksum(text: bytes) -> bool:
    """Whether a line has a checksum, right or wrong."""
    return _SEALED.search(text) is not None or b'"checksum":' in text


def parsed(text: bytes) -> Any:
    """The value of a JSON text; the checksum of an object, wherever it is, is verified and taken out.

    Raises:
        JsonError: not JSON, a key twice, an integer beyond 64 bits, nested too deeply, too long, a wrong checksum.
    """
    if len(text) > LARGEST_LINE_BYTES:
        raise JsonError(f"{len(text)} bytes in one line")
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_int=_bounded)
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(str(error)) from None
    if isinstance(document, dict) and CHECKSUM in document:
        expected = document.pop(CHECKSUM)
        _require(str(expected), canonical(document).encode())
    return document


def is_whole(line: bytes) -> bool:
    """Whether this is a complete JSON text, of whatever content."""
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _require(expected: str, line: bytes) -> None:
    if _digest(line) != expected:
        raise ChecksumError("changed after it was written: its checksum is that of another content")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise JsonError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return document


def _bounded(digits: str) -> int:
    if len(digits.lstrip("-")) > _LARGEST_INTEGER_DIGITS:
        raise JsonError(f"an integer of {len(digits.lstrip('-'))} digits")
    return int(digits)
