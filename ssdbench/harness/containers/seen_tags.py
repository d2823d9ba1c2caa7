"""Which tags of a repository are new or point elsewhere since the last check: a file of digests, by repository."""

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
    """A tag whose content is news; `earlier` is its digest at the last check, None where it was not there."""

    name: str
    digest: str
    earlier: str | None = None


def check_tags(repository: Repository, state: Path, match: str) -> list[Tag]:
    """The news among the tags that `match` describes; they are then known.

    Raises:
        UsageError: `match` is no regular expression.
        StoreError: the file cannot be read or written.
        EnvironmentLacksError: the registry does not answer.
    """
    try:
        pattern = re.compile(match)
    except re.error as error:
        raise UsageError(f"--match {match!r} is no regular expression: {error}") from None
    seen = _read(state)
    known = seen.get(repository.name, {})
    now = {tag: repository.digest(tag) for tag in repository.tags() if pattern.fullmatch(tag)}
    news = [
        Tag(name=tag, digest=digest, earlier=known.get(tag)) for tag, digest in now.items() if known.get(tag) != digest
    ]
    # A tag that is gone stays known: should it come back unchanged, it is no news.
    seen[repository.name] = known | now
    write_bytes(state, (json.dumps(seen, indent=2, sort_keys=True) + "\n").encode())
    return news


def _read(path: Path) -> _Seen:
    if not path.exists():
        return {}
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): {str(tag): str(digest) for tag, digest in tags.items()} for name, tags in seen.items()}
    except (OSError, ValueError, AttributeError):
        raise StoreError(f"{path}: no file of tags seen; remove it, and all tags will be new") from None
