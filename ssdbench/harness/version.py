"""Which ssdbench this is: the commit of a checkout, or the one that a wheel was built from."""

import os
from pathlib import Path

from ssdbench.harness.process import output_or_none

# Written into wheels and source distributions by hatch_build.py; a checkout has none.
COMMIT_FILE = Path("ssdbench/_commit.txt")


def source_commit(source: Path) -> str | None:
    """Commit of the folder that holds a package `ssdbench`, "+dirty" with local changes; None where nobody knows.

    A virtual environment often lies in a checkout of something else, whose commit is not ours: git is asked only where
    `source` is the top of its checkout.
    """
    if (source / COMMIT_FILE).is_file():
        return (source / COMMIT_FILE).read_text(encoding="utf-8").strip()
    # Variables such as GIT_DIR, which hooks and CI systems set, name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    git = ["git", "-C", str(source)]
    if output_or_none([*git, "rev-parse", "--show-cdup"], environment) != "":
        return None
    described = [*git, "describe", "--always", "--dirty=+dirty", "--exclude=*", "--abbrev=40"]
    return output_or_none(described, environment) or None
