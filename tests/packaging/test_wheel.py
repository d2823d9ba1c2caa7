"""The wheel and the source distribution: what is in them, and what the wheel does in an empty folder."""

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.metadata import Metadata

from ssdbench import __version__
from ssdbench.errors import ExitCode
from ssdbench.harness.version import COMMIT_FILE, source_commit
from tests.packaging.building import ROOT, Installation, build, host_packages, install, run

pytestmark = pytest.mark.xdist_group("packaging")  # built once

WRITTEN_BY_THE_BUILD = {COMMIT_FILE.as_posix()} if source_commit(ROOT) else set()
METADATA = f"ssdbench-{__version__}.dist-info/"


def files_of_the_repository() -> set[str]:
    """What git has or would take: neither ignored files nor those that were just deleted."""
    names = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name for name in names if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel in an environment that borrows our packages, of which it may have only those of the host side."""
    folder = tmp_path_factory.mktemp("installed")
    made = install(folder, sys.executable, "--no-deps", "--no-index", "--no-compile", wheel)
    made.borrow(host_packages(folder / "packages"))
    return made


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the files of a checkout to compare with")
def test_the_wheel_holds_the_package_its_metadata_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(METADATA)}
    package = {name for name in files_of_the_repository() if name.startswith("ssdbench/")}
    assert names == package | WRITTEN_BY_THE_BUILD


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the files of a checkout to compare with")
def test_the_source_distribution_holds_files_of_the_repository_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix() for name in archive.getnames()}
    written = {"PKG-INFO", *WRITTEN_BY_THE_BUILD}
    assert names - written <= files_of_the_repository()
    assert {"LICENSE", "CHANGELOG.md", "tests/conftest.py", "docs/glossary.md", *written} <= names


def test_an_index_would_take_them(wheel: Path, sdist: Path) -> None:
    run(sys.executable, "-m", "check_wheel_contents", wheel)
    in_wheel = zipfile.ZipFile(wheel).read(f"{METADATA}METADATA")
    with tarfile.open(sdist) as archive:
        in_sdist = archive.extractfile(f"ssdbench-{__version__}/PKG-INFO")
        assert in_sdist is not None
        assert in_sdist.read() == in_wheel
    metadata = Metadata.from_email(in_wheel)  # raises on a field that an index would refuse
    assert (metadata.name, str(metadata.version), metadata.license_expression) == (
        "ssdbench",
        __version__,
        "Apache-2.0",
    )
    assert metadata.description_content_type == "text/markdown"


def test_a_wheel_of_the_source_distribution_is_that_of_the_checkout(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data") if sys.version_info >= (3, 12) else archive.extractall(tmp_path)
    (source,) = tmp_path.iterdir()
    again = zipfile.ZipFile(build("wheel", source, tmp_path / "again"))
    first = zipfile.ZipFile(wheel)
    content = {name: first.read(name) for name in first.namelist() if not name.startswith(METADATA)}
    assert {name: again.read(name) for name in again.namelist() if not name.startswith(METADATA)} == content


def test_the_commit_is_written_into_the_wheel_and_said_by_version(installation: Installation) -> None:
    said = installation.ssdbench("--version").stdout.strip()
    commit = source_commit(ROOT)
    assert said == (f"{__version__} (commit {commit})" if commit else __version__)


def test_a_source_tree_without_git_builds_and_has_no_commit(tmp_path: Path) -> None:
    # In a checkout of something else, whose commit must not be taken for ours.
    run("git", "init", "--quiet", tmp_path)
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    run("git", "-C", tmp_path, *identity, "commit", "--quiet", "--allow-empty", "--message", "begin")
    tree = tmp_path / "tree"
    (tree / "ssdbench").mkdir(parents=True)
    (tree / "ssdbench/__init__.py").write_text('__version__ = "0"\n', encoding="utf-8")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        (tree / name).write_bytes((ROOT / name).read_bytes())
    built = build("wheel", tree, tmp_path / "dist")
    assert COMMIT_FILE.as_posix() not in zipfile.ZipFile(built).namelist()


def test_in_an_empty_folder_suites_and_published_tables_are_there(installation: Installation) -> None:
    plan = installation.ssdbench("plan", "smoke", "--python", sys.executable)
    assert (plan.returncode, "0 skipped" in plan.stdout) == (ExitCode.OK, True), plan.stdout + plan.stderr
    table = installation.ssdbench("table", "--published", "22.10")
    assert (table.returncode, "DGX A100" in table.stdout) == (ExitCode.OK, True), table.stderr
    assert not list(installation.folder.iterdir())


def test_the_templates_are_there_too(installation: Installation, tmp_path: Path) -> None:
    outcome = installation.ssdbench("init", tmp_path, "--ci", "github", "--containers", "--suite", "smoke")
    assert outcome.returncode == ExitCode.OK, outcome.stderr
    assert outcome.stdout.count("wrote") == 6


def test_without_torch_a_run_says_so_in_one_sentence(installation: Installation) -> None:
    outcome = installation.ssdbench("run", "smoke")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert outcome.stderr.count("\n") == 1
    assert f"torch is not installed for {installation.python} (extra worker)" in outcome.stderr
    assert "Traceback" not in outcome.stdout + outcome.stderr


def test_stored_runs_are_reported(installation: Installation, tmp_path: Path) -> None:
    stored = ROOT / "tests" / "data" / "version-0.1" / "results"
    outcome = installation.ssdbench("report", "latest", "--results", stored, "-o", tmp_path / "report.html")
    assert outcome.returncode == ExitCode.OK, outcome.stderr
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
