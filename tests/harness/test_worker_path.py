"""The import path of a worker: the ssdbench that was asked for, and nothing that lies beside it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from ssdbench.harness.process import SOURCE, run_command, worker_environment

SAY_WHERE = "import ssdbench, ssdbench.worker.exchange_files as f; print(ssdbench.__file__, f.__file__)"


def installed(folder: Path) -> Path:
    """A folder like site-packages: ssdbench, and beside it a package that other interpreters must not find."""
    shutil.copytree(SOURCE / "ssdbench", folder / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "torch.py").write_text("raise ImportError('this is the torch of the host')\n", encoding="utf-8")
    return folder


def test_a_worker_imports_this_ssdbench_and_nothing_else_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    source = installed(tmp_path)
    environment = worker_environment({}, source)
    assert str(source) not in environment["PYTHONPATH"].split(os.pathsep)
    said = run_command([sys.executable, "-c", SAY_WHERE], environment)
    package = source / "ssdbench"
    assert said.out.split() == [str(package / "__init__.py"), str(package / "worker/exchange_files.py")], said.error
    found = run_command(
        [sys.executable, "-c", "import importlib.util; print(importlib.util.find_spec('torch').origin)"], environment
    )
    assert found.exit_code == 0, found.error
    assert str(source) not in found.out


def test_a_checkout_of_an_older_ssdbench_is_on_the_path_itself(tmp_path: Path) -> None:
    shutil.rmtree(installed(tmp_path) / "ssdbench" / "resources")
    assert worker_environment({}, tmp_path)["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)
