"""Finds tags of a repository that are new or changed since the last check; the digests are kept in a file."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.containers.registry import Repository
from ssdbench.harness.stores.lines import write_bytes

_Seen = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A new or changed tag; `earlier` is its digest at the last check, None if it did not exist."""

    name: str
    digest: str
    earlier: str | None = None


def check_tags(repository: Repository, state: Path, match: str) -> list[Tag]:
    """The new or changed tags that `match` describes; the file then has them.

    Raises:
        UsageError: `match` is not a regular expression.
        StoreError: the file cannot be read or written.
        EnvironmentLacksError: the registry does not respond.
    """
    try:
        pattern = re.compile(match)
    except re.error as error:
        raise UsageError(f"--match {match!r} is not a regular expression: {error}") from None
    seen = _read(state)
    known = seen.get(repository.name, {})
    now = {tag: repository.digest(tag) for tag in repository.tags() if pattern.fullmatch(tag)}
    new = [
        Tag(name=tag, digest=digest, earlier=known.get(tag)) for tag, digest in now.items() if known.get(tag) != digest
    ]
    # A deleted tag is remembered: if it comes back unchanged, it is not new.
    seen[repository.name] = known | now
    write_bytes(state, (json.dumps(seen, indent=2, sort_keys=True) + "\n").encode())
    return new


def _read(path: Path) -> _Seen:
    if not path.exists():
        return {}
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): {str(tag): str(digest) for tag, digest in tags.items()} for name, tags in seen.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        raise StoreError(f"{path}: not a file of known tags; delete it, and all tags count as new") from None
