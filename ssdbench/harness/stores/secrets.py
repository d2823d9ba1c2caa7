"""Finds secrets in what earlier versions stored: reading drops them, but the lines still hold them."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from ssdbench.errors import StoreError, StoreUnreachableError
from ssdbench.harness.stores.archive import KINDS, Archive, Lines
from ssdbench.schema.variables import holds_secret

# Keys of environments and of arguments in headers and records (results/README.md).
_ENVIRONMENTS, _ARGUMENTS = ("variables", "settings"), "arguments"
_REMEDY = (
    "revoke them, then take them out of the line or remove the entry; version control and backups keep earlier copies"
)


def stored_secrets(archive: Archive) -> Iterator[str]:
    """A sentence for every run, baseline, anchor and distribution whose lines hold secrets, with what to do."""
    reads = [partial(archive.read_run, run_id) for run_id in archive.run_ids()]
    reads += [partial(archive.read, place) for kind in KINDS for place in archive.places(kind)]
    for read in reads:
        try:
            lines = read()
        except StoreUnreachableError:
            raise
        except StoreError:
            continue  # `store check` says that it cannot be read
        found = _found(lines) if lines is not None else {}
        if lines is not None and found:
            numbers = ", ".join(map(str, sorted(set(found.values()))[:5]))
            yield f"{lines.source} line {numbers}: holds the values of secrets ({', '.join(sorted(found))}): {_REMEDY}"


def _found(lines: Lines) -> dict[str, int]:
    """What looks like a secret, by name, with the number of the first line that holds it."""
    found: dict[str, int] = {}
    for number, line in enumerate(lines.lines, start=1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue  # `store check` says that it cannot be read
        for name in _secrets(document):
            found.setdefault(name, number)
    return found


def _secrets(document: Any) -> Iterator[str]:
    open_parts = [document]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, list):
            open_parts += [item for item in part if isinstance(item, dict | list)]
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            if key in _ENVIRONMENTS and isinstance(value, dict):
                yield from (
                    name for name, text in value.items() if isinstance(text, str) and holds_secret(f"{name}={text}")
                )
            if key == _ARGUMENTS and isinstance(value, list):
                yield from ("an argument" for word in value if isinstance(word, str) and holds_secret(word))
            open_parts += [value] if isinstance(value, dict | list) else []
