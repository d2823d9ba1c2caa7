"""Copies of ssdbench at a commit, in the cache: so that the build of a baseline can be measured again."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.cache import cache_error, cache_folder
from ssdbench.harness.process import SOURCE, output_or_none
from ssdbench.harness.trust import is_private
from ssdbench.harness.version import COMMIT_FILE, source_commit

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_GIT_SECONDS = 120.0


class CannotCopyError(EnvironmentLacksError):
    """A commit has nothing that could be measured; another one may."""


def is_commit(text: str | None) -> bool:
    """Whether this names one commit, without changes after it, and nothing else that git would look up."""
    return text is not None and _COMMIT.fullmatch(text) is not None


def copy_of_commit(commit: str, repository: Path | None = None) -> Path | None:
    """A folder with the package `ssdbench` of this commit; None if no repository here has the commit.

    Repositories are the one that ssdbench is run from and that of the working directory, or the one that is given.
    Nothing is fetched, nothing in them changes, and none of their hooks runs.

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
        for place in _repositories() if repository is None else [repository]:
            if _copy(place, commit, folder):
                return folder
    except OSError as error:
        raise cache_error(error) from None
    return None


def is_copy(source: Path) -> bool:
    """Whether a source tree is one of the copies in the cache."""
    return source.parent == cache_folder() / "builds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit of a first-parent line: its full hash, its subject, and the second parent that a merge brought in."""

    hash: str
    subject: str
    merged: str | None = None

    @property
    def name(self) -> str:
        """What is shown for it: the beginning of its hash, and its subject."""
        return f"{self.hash[:12]} ({self.subject})"


def commits_between(repository: Path, good: str, bad: str) -> tuple[Commit, ...]:
    """The commits from `good` to `bad` that change the package `ssdbench`, along first parents, with `good` itself.

    A merge is one commit there: with it comes all that was merged. Others cannot change what is measured.

    Raises:
        EnvironmentLacksError: git is not installed.
        UsageError: this is no repository, a name is not a commit, or `good` is not on the line that leads to `bad`.
    """
    if shutil.which("git") is None:
        raise EnvironmentLacksError("git is not on the PATH: install it")
    if _git(repository, "rev-parse", "--git-dir") is None:
        raise UsageError(f"--repo {repository} is not a git repository: give the folder of a checkout")
    first, last = (_resolved(repository, name) for name in (good, bad))
    line = (_git(repository, "rev-list", "--first-parent", last) or "").split()
    if first not in line or first == last:
        raise UsageError(
            f"{good} is not on the line of first parents that leads to {bad}: give an earlier commit of that line "
            "(`git log --first-parent`); what a merge brought is searched between its merge base and its second parent"
        )
    changing = _git(repository, "rev-list", "--first-parent", "--reverse", f"{first}..{last}", "--", "ssdbench") or ""
    if not changing:
        raise UsageError(f"no commit from {good} to {bad} changes the folder ssdbench, which is what is measured")
    return tuple(_commit(repository, commit) for commit in (first, *changing.split()))


def _resolved(repository: Path, name: str) -> str:
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None or not is_commit(commit):
        raise UsageError(f"{name!r} is not a commit of {repository}: give a hash, a tag or a branch")
    return commit


def _commit(repository: Path, commit: str) -> Commit:
    subject, _, parents = (_git(repository, "show", "--no-patch", "--format=%s%n%P", commit) or "").partition("\n")
    others = parents.split()[1:]
    return Commit(hash=commit, subject=subject, merged=others[0] if others else None)


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
