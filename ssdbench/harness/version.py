"""Which ssdbench this is: the commit of a checkout, or the one that a wheel was built from."""

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
    git = ["git", "-C", str(source)]
    if output_or_none([*git, "rev-parse", "--show-cdup"]) != "":
        return None
    return output_or_none([*git, "describe", "--always", "--dirty=+dirty", "--exclude=*", "--abbrev=40"]) or None
