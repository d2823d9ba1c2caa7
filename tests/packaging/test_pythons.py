"""The wheel and the source distribution, installed by pip with their dependencies, on every supported Python.

`make package-tests` runs this: it downloads the dependencies for each Python, and measures the suite `smoke`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.packaging.building import ROOT, Installation, install, run

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
CONSTRAINTS = ROOT / "constraints" / "environment.txt"
STORED = ROOT / "tests" / "data" / "version-0.1" / "results"

pytestmark = [pytest.mark.packages, pytest.mark.slow, pytest.mark.timeout(3600)]


def interpreter(version: str) -> str:
    """A Python of this version, of those on the PATH or installed by pyenv; the test is skipped where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))]
    for place in filter(None, places):
        # A shim of pyenv is there and fails where its version is not chosen.
        if subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return place
    pytest.skip(f"no Python {version} on the PATH or of pyenv")


@pytest.fixture(scope="module", params=PYTHONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def installation(
    request: pytest.FixtureRequest, version: str, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    built: Path = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(f"{request.param}-{version}")
    return install(folder, interpreter(version), "--constraint", CONSTRAINTS, built)


def test_the_host_side_works_from_an_empty_folder(installation: Installation, tmp_path: Path) -> None:
    for words, says in (
        (["--help"], "Exit codes"),
        (["env"], "torch is not installed"),
        (["plan", "smoke", "--python", sys.executable], "0 skipped"),
        (["table", "--published", "22.10"], "DGX A100"),
        (["table", "latest", "--results", STORED], "images/s"),
        (["history", "--results", STORED], "pace"),
        (["report", "latest", "--results", STORED, "-o", tmp_path / "report.html"], ""),
    ):
        outcome = installation.ssdbench(*words)
        assert (outcome.returncode, says in outcome.stdout) == (ExitCode.OK, True), outcome.stdout + outcome.stderr
    assert installation.ssdbench("run", "smoke").returncode == ExitCode.ENVIRONMENT
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_what_is_installed_fits_together(installation: Installation) -> None:
    run(installation.python, "-m", "pip", "check")


def test_the_suite_is_measured_from_an_empty_folder_and_reported(wheel: Path, tmp_path: Path) -> None:
    import torch

    made = install(tmp_path, sys.executable, "--constraint", CONSTRAINTS, wheel)
    made.borrow(Path(torch.__file__).parents[1])
    outcome = made.ssdbench("run", "smoke")
    assert outcome.returncode == ExitCode.OK, outcome.stdout + outcome.stderr
    (stored,) = made.folder.glob("results/records/*.jsonl")
    header = json.loads(stored.read_text(encoding="utf-8").splitlines()[0])
    assert header["host"]["ssdbench_version"] in made.ssdbench("--version").stdout
    assert str(tmp_path) in header["options"]["source"]
    for words in (
        ["baseline", "accept", "latest", "--reason", "first figures"],
        ["report", "latest", "-o", "report.html"],
        ["table", "latest"],
    ):
        outcome = made.ssdbench(*words)
        assert outcome.returncode == ExitCode.OK, outcome.stdout + outcome.stderr
    assert made.ssdbench("compare", "latest").returncode == ExitCode.INCONCLUSIVE


def test_another_interpreter_measures_with_its_own_packages(wheel: Path, tmp_path: Path) -> None:
    other = next(python for python in ("3.12", "3.13", "3.10") if python != HERE)
    made = install(tmp_path, interpreter(other), "--constraint", CONSTRAINTS, wheel)
    grid = ("--workload", "pace", "--device", "cpu", "--launches", "1", "--warmup", "0", "--steps", "5")
    outcome = made.ssdbench("run", *grid, "--python", sys.executable)
    (stored,) = made.folder.glob("results/records/*.jsonl")
    header, *records = map(json.loads, stored.read_text(encoding="utf-8").splitlines())
    assert header["options"]["measured_by"] == sys.executable
    # On a busy machine a launch is invalid and the exit code says so; it was measured all the same.
    assert records, outcome.stdout + outcome.stderr
    assert all(record["measurement"] is not None for record in records), outcome.stdout + outcome.stderr
