"""The files of the repository: each has a place and a name that says what it is."""

from pathlib import PurePosixPath

import pytest

from tests.packaging.building import ROOT, run

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")

FOLDERS = {
    *(".ci", ".github", "benchmarks", "ci", "constraints", "docs", "examples", "results", "ssdbench", "tests"),
}
FILES = {
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "hatch_build.py"),
    *("mkdocs.yml", "pyproject.toml"),
    *(".dockerignore", ".editorconfig", ".gitattributes", ".gitignore", ".pre-commit-config.yaml"),
}


def tracked(*options: str) -> list[str]:
    return run("git", "-C", ROOT, "ls-files", "-z", *options).rstrip("\0").split("\0")


def test_the_top_of_the_repository_holds_what_is_known_and_nothing_else() -> None:
    tops = {PurePosixPath(name).parts[0] for name in tracked()}
    assert tops <= FOLDERS | FILES


def test_no_file_is_tracked_that_is_ignored() -> None:
    assert tracked("--cached", "--ignored", "--exclude-standard") == [""]


def test_results_of_this_repository_are_those_of_gpu_machines() -> None:
    results = {PurePosixPath(name).parts[1] for name in tracked("results")}
    assert results <= {"README.md", "gpu"}  # JSON schemas and published figures ship: ssdbench/resources
