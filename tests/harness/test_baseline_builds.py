"""What of a baseline can be run here again, and that a record alone never has anything looked into or started."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness import baseline_builds, source_copies
from ssdbench.harness.baseline_builds import ImageChoice, find_build
from ssdbench.harness.containers.config import Containers
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.harness.source_copies import is_commit
from ssdbench.harness.trust import NOTHING, Trust
from ssdbench.harness.version import source_commit
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import Software
from ssdbench.schema.record import ContainerImage, RunOptions
from ssdbench.schema.verdict import Baseline
from tests.builders import HOST, a_baseline, a_measurement, a_record, a_run


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only repository here: its first commit is an ssdbench, its second a later one."""
    folder = tmp_path / "repository"
    (folder / "ssdbench" / "worker").mkdir(parents=True)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for text in ("first", "second"):
        (folder / "ssdbench" / "worker" / "loop.py").write_text(text)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", text], check=True)
    for module in (source_copies, baseline_builds):
        monkeypatch.setattr(module, "SOURCE", folder)
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return folder


def first_commit(repository: Path) -> str:
    answer = subprocess.run(
        ["git", "-C", str(repository), "rev-list", "--max-parents=0", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip()


def baseline(commit: str | None, *, torch: str = "", **options: object) -> Baseline:
    here = inspect_python()
    software = Software(python=here.version, torch=torch or here.packages["torch"])
    record = a_record(run_id="run-0", measurement=a_measurement(software=software))
    run = replace(a_run(run_id="run-0"), records=(record,))
    header = replace(run.header, host=replace(HOST, ssdbench_commit=commit), options=RunOptions(**options))  # type: ignore[arg-type]
    return a_baseline(replace(run, header=header))


def test_a_commit_is_copied_from_the_repository_that_is_here(repository: Path, tmp_path: Path) -> None:
    commit = first_commit(repository)
    for _ in range(2):  # the second time it is there
        found = find_build(baseline(commit), "main", NOTHING)
        assert found.arm is not None, found.said
        assert found.arm.commit == source_commit(Path(found.arm.source)) == commit
        assert Path(found.arm.source, "ssdbench", "worker", "loop.py").read_text() == "first"
        assert found.arm.python == sys.executable
    assert (repository / "ssdbench" / "worker" / "loop.py").read_text() == "second"
    assert [path.name for path in (tmp_path / "cache" / "builds").iterdir()] == [commit]


def test_a_source_tree_that_is_still_at_its_commit_is_used_as_it_is(repository: Path) -> None:
    commit = source_commit(repository)
    found = find_build(baseline(commit), "main", NOTHING)
    assert found.arm is not None
    assert found.arm.source == str(repository)


@pytest.mark.parametrize(
    ("commit", "said"),
    [
        (None, "its record has no commit"),
        ("a" * 40 + "+dirty", "with changes that were not committed"),
        ("--upload-pack=x", "with changes that were not committed"),
        ("a" * 40, "no repository here has its commit aaaaaaaaaaaa"),
    ],
)
def test_a_build_that_nobody_has_is_a_sentence_with_the_remedy(commit: str | None, said: str) -> None:
    found = find_build(baseline(commit), "main", NOTHING)
    assert found.arm is None
    assert found.said.startswith("main cannot be measured again here: ")
    assert said in found.said
    assert "--baseline-checkout" in found.said


def choice(*images: str, repository: str | None = None, named: str | None = None) -> ImageChoice:
    """Of an engine that is not there: what asks it, fails."""
    engine = replace(ENGINES["docker"], command=("no-such-engine",))
    containers = Containers(options=ContainerOptions(engine=engine), images=images, repository=repository)
    return ImageChoice(containers=containers, file="mine.toml", named=named)


@pytest.mark.parametrize("images", [None, choice("bench:2"), choice(repository="ben"), choice(named="bench")])
def test_an_image_that_only_the_record_names_is_never_started(images: ImageChoice | None, repository: Path) -> None:
    stored = baseline(first_commit(repository), image=ContainerImage(reference="bench:1"))
    found = find_build(stored, "main", NOTHING, images=images)
    assert found.arm is None
    where = "mine.toml" if images else "ci/containers.toml"
    assert found.said == (
        f"main cannot be measured again here: it was measured in the image bench:1; add that to `images` in {where}, "
        "or name it with --baseline-image"
    )


@pytest.mark.parametrize(
    ("images", "trust"),
    [
        (choice("bench:1"), NOTHING),
        (choice(repository="bench"), NOTHING),
        (choice(named="bench:1"), NOTHING),
        (choice(), Trust(everything=True)),
    ],
)
def test_an_image_that_this_machine_names_as_well_is_started(
    images: ImageChoice, trust: Trust, repository: Path
) -> None:
    stored = baseline(first_commit(repository), image=ContainerImage(reference="bench:1"))
    with pytest.raises(EnvironmentLacksError, match="no-such-engine"):
        find_build(stored, "main", trust, images=images)


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("bench:1", "bench"),
        ("registry:5000/bench", "registry:5000/bench"),
        ("registry:5000/team/bench:1", "registry:5000/team/bench"),
        (f"bench@sha256:{'a' * 64}", "bench"),
        (f"bench:1@sha256:{'a' * 64}", "bench"),
    ],
)
def test_the_repository_of_an_image_is_its_name_without_tag_and_digest(reference: str, repository: str) -> None:
    assert choice(repository=repository).has(reference)
    assert not choice(repository=f"{repository}x").has(reference)


def test_other_versions_are_named_with_what_an_environment_of_them_takes(repository: Path) -> None:
    found = find_build(baseline(first_commit(repository), torch="1.0.0"), "main", NOTHING)
    assert found.arm is None
    assert "it was measured with 1.0.0" in found.said
    assert "--install-baseline (installs torch 1.0.0 and what it needs" in found.said


def test_an_interpreter_that_only_the_record_names_is_never_started(repository: Path, tmp_path: Path) -> None:
    trace, python = tmp_path / "started", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho x >> {trace}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    stored = baseline(first_commit(repository), measured_by=str(python), source=str(tmp_path / "elsewhere"))
    found = find_build(stored, "main", NOTHING)
    assert found.arm is not None
    assert found.arm.python == sys.executable
    assert not trace.exists()
    trusted = find_build(stored, "main", Trust(everything=True))
    assert trusted.arm is not None
    assert trusted.arm.python == str(python)
    assert trace.exists()


def test_a_commit_is_forty_digits_and_nothing_that_git_would_look_up() -> None:
    assert is_commit("0" * 40)
    assert not any(map(is_commit, (None, "HEAD", "main", "0" * 39, "0" * 40 + "+dirty", "0" * 40 + "\n")))
