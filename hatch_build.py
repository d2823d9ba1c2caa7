"""Writes the commit that a wheel or a source distribution is built from into it; never fails without git."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMIT_FILE = "ssdbench/_commit.txt"


class CommitHook(BuildHookInterface):
    """Adds `COMMIT_FILE`, which `ssdbench.harness.version` reads; from a source distribution it is there already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, except to an editable installation: its commit is the checkout's, and changes."""
        commit = None if version == "editable" else self._commit()
        if commit is None or (Path(self.root) / COMMIT_FILE).is_file():
            return
        self._folder = TemporaryDirectory()
        file = Path(self._folder.name) / "commit.txt"
        file.write_text(f"{commit}\n", encoding="utf-8")
        build_data["force_include"][str(file)] = COMMIT_FILE

    def _commit(self) -> str | None:
        # An unpacked source distribution may lie in a checkout of something else, whose commit is not ours.
        if self._git("rev-parse", "--show-cdup") != "":
            return None
        return self._git("describe", "--always", "--dirty=+dirty", "--exclude=*", "--abbrev=40") or None

    def _git(self, *words: str) -> str | None:
        try:
            answer = subprocess.run(["git", "-C", self.root, *words], capture_output=True, text=True, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()
