"""What the tests of launchers share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.launchers.asked import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a program of this name first on the PATH, in a job on node1."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "16", "SLURMD_NODENAME": "node1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("OF_THE_HOST", "nobody's business")

    def script(name: str, text: str) -> Path:
        path = programs / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
        return path

    return script
