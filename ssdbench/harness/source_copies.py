"""Copies of ssdbench at a commit, in the cache: so that the build of a baseline can be measured again."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ssdbench.harness.cache import cache_error, cache_folder
from ssdbench.harness.process import SOURCE, output_or_none
from ssdbench.harness.trust import is_private
from ssdbench.harness.version import COMMIT_FILE, source_commit

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_GIT_SECONDS = 120.0


def is_commit(text: str | None) -> bool:
    """Whether this names one commit, without changes after it, and nothing else that git would look up."""
    return text is not None and _COMMIT.fullmatch(text) is not None


def copy_of_commit(commit: str) -> Path | None:
    """A folder with the package `ssdbench` of this commit; None if no repository here has the commit.

    Repositories are the one that ssdbench is run from and that of the working directory. Nothing is fetched, nothing in
    them changes, and none of their hooks runs.

    Raises:
        EnvironmentLacksError: the cache cannot be written.
    """
    assert is_commit(commit)
    folder = cache_folder() / "builds" / commit
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What others can write is not what was copied.
        if is_private(folder.parent) and folder.is_dir() and source_commit(folder) == commit:
            return folder
        for repository in _repositories():
            if _copy(repository, commit, folder):
                return folder
    except OSError as error:
        raise cache_error(error) from None
    return None


def _repositories() -> list[Path]:
    found = [top for place in (SOURCE, Path.cwd()) if (top := _git(place, "rev-parse", "--show-toplevel"))]
    return [Path(top) for top in dict.fromkeys(found)]


def _copy(repository: Path, commit: str, folder: Path) -> bool:
    """Copy the package at a commit into a folder; False where the repository does not have it."""
    if _git(repository, "cat-file", "-t", f"{commit}:ssdbench/worker") != "tree" or not is_private(folder.parent):
        return False
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".copy-") as made:
        # With an index of its own, and not as a worktree: a CI system may remove the repository at any time.
        content, index = Path(made) / "content", {"GIT_INDEX_FILE": str(Path(made) / "index")}
        if _git(repository, "read-tree", f"{commit}:ssdbench", variables=index) is None:
            return False
        if _git(repository, "checkout-index", "--all", f"--prefix={content}/ssdbench/", variables=index) is None:
            return False
        (content / COMMIT_FILE).write_text(f"{commit}\n", encoding="utf-8")
        if folder.exists() and source_commit(folder) != commit:
            shutil.rmtree(folder)
        with suppress(OSError):  # where another process was first, its copy is the same
            content.rename(folder)
    return source_commit(folder) == commit


def _git(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str | None:
    # Variables such as GIT_DIR, which hooks and CI systems set, name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    return output_or_none(command, environment | dict(variables or {}), _GIT_SECONDS)
