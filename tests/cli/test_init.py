"""`ssdbench init`: what it writes is valid and is found, and what is there stays as it is."""

import os
import re
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.containers.config import DEFAULT_FILE, load_containers
from ssdbench.harness.resources import CI, SUITES, resource
from ssdbench.workflows.initialising import CI_SYSTEMS
from tests.cli.running import ssdbench


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files() -> dict[str, bytes]:
    """All files of the working directory, by their path."""
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_without_options_there_is_a_suite_and_a_list_of_images_and_the_next_command_is_named() -> None:
    outcome = ssdbench("init")
    assert outcome.code == ExitCode.OK
    written = re.findall(r"^wrote +(\S+)$", outcome.out, re.M)
    assert sorted(written) == sorted(files()) == ["benchmarks/suites/nightly.toml", "ci/containers.toml"]
    assert "next:  ssdbench plan nightly" in outcome.out
    assert load_containers(DEFAULT_FILE) == load_containers(resource(CI, "containers.toml"))


def test_the_copy_of_a_suite_is_what_its_name_stands_for_from_then_on() -> None:
    assert ssdbench("init", "--suite", "smoke").code == ExitCode.OK
    suite = Path("benchmarks/suites/smoke.toml")
    assert suite.read_bytes() == resource(SUITES, "smoke.toml").read_bytes()
    assert "6 cases" in ssdbench("plan", "smoke").words
    text = suite.read_text(encoding="utf-8")
    suite.write_text(text[: text.rindex("[[matrix]]")], encoding="utf-8")
    planned = re.search(r"(\d+) cases", ssdbench("plan", "smoke").words)
    assert planned is not None
    assert int(planned[1]) < 6


@pytest.mark.parametrize("system", CI_SYSTEMS)
def test_a_pipeline_comes_with_every_script_that_it_runs(system: str) -> None:
    outcome = ssdbench("init", "--ci", system)
    assert (outcome.code, "next:" in outcome.out) == (ExitCode.OK, True)
    found = files()
    # tests/test_ci_templates.py shows these to the linters of their systems.
    assert set(found.values()) <= {path.read_bytes() for path in resource(CI).iterdir()}
    named = {name for text in found.values() for name in re.findall(r"\bci/[a-z-]+\.(?:sh|sbatch)", text.decode())}
    assert named
    assert named <= set(found)
    assert all(os.access(name, os.X_OK) for name in found if name.endswith(".sh"))


def test_pipelines_share_their_scripts_which_are_written_once() -> None:
    ssdbench("init", "--ci", "github")
    outcome = ssdbench("init", "--ci", "gitlab")
    assert outcome.code == ExitCode.OK
    assert "unchanged  ci/nightly.sh" in outcome.out
    assert "wrote  .gitlab-ci.yml" in outcome.out


def test_a_file_that_was_changed_is_not_overwritten_and_nothing_else_is_written() -> None:
    Path("ci").mkdir()
    Path("ci/containers.toml").write_text('engine = "podman"\n', encoding="utf-8")
    before = files()
    outcome = ssdbench("init", "--containers", "--suite", "nightly", "--ci", "github")
    assert outcome.code == ExitCode.USAGE
    assert outcome.err.startswith("ssdbench: ci/containers.toml would be overwritten: ")
    assert outcome.err.count("\n") == 1
    assert files() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ci", "travis"), "there is no template for 'travis': choose from github, gitlab, jenkins, slurm"),
        (("--suite", "weekly"), "there is no suite 'weekly' to start from: choose from convergence, "),
        (("file",), "cannot be written: Not a directory"),
    ],
)
def test_a_mistake_is_one_sentence(words: tuple[str, ...], says: str) -> None:
    Path("file").touch()
    outcome = ssdbench("init", *words)
    assert (outcome.code, outcome.err.count("\n")) == (ExitCode.USAGE, 1)
    assert says in outcome.err
    assert list(files()) == ["file"]
