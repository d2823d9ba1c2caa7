"""The commit of the ssdbench that measures: of its checkout, of its wheel, and of nothing else."""

import subprocess
from pathlib import Path

from ssdbench.harness.version import COMMIT_FILE, source_commit


def commit_in(folder: Path) -> str:
    """Make `folder` a git repository with one commit, and return that."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "--quiet"], [*identity, "commit", "--quiet", "--allow-empty", "--message", "begin"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    answer = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def test_a_checkout_has_its_commit_and_says_when_it_was_changed(tmp_path: Path) -> None:
    commit = commit_in(tmp_path)
    assert source_commit(tmp_path) == commit
    (tmp_path / "file").touch()
    subprocess.run(["git", "-C", tmp_path, "add", "file"], check=True)
    assert source_commit(tmp_path) == f"{commit}+dirty"


def test_a_wheel_has_the_commit_that_was_written_into_it(tmp_path: Path) -> None:
    commit_in(tmp_path)
    (tmp_path / COMMIT_FILE).parent.mkdir()
    (tmp_path / COMMIT_FILE).write_text("0123abc\n", encoding="utf-8")
    assert source_commit(tmp_path) == "0123abc"


def test_an_environment_within_a_checkout_does_not_take_that_commit_for_its_own(tmp_path: Path) -> None:
    commit_in(tmp_path)
    packages = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    assert source_commit(packages) is None
    assert source_commit(tmp_path / "nowhere") is None
