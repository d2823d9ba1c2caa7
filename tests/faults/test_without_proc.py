"""Without /proc, as in a bare chroot, what measures says so in a sentence, and what judges works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode

STORED = Path(__file__).parents[1] / "data" / "version-0.1" / "results"


def without_proc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can hide /proc")
    command = [sys.executable, "-m", "ssdbench", *arguments, "--results", "results"]
    hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /proc || exit 77; exec "$@"', "sh", *command]
    environment = {**os.environ, "SSDBENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(hidden, capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode == 77:
        pytest.skip(f"/proc cannot be hidden here: {done.stderr.strip()}")
    return done


@pytest.mark.fault("B38", "/proc is not mounted, and something is to be measured")
def test_what_measures_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = without_proc(tmp_path, "run", "smoke")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert done.stderr.splitlines() == [
        "ssdbench: /proc/meminfo: No such file or directory: nothing can be planned or measured without /proc; "
        "mount it (mount -t proc proc /proc)"
    ]


@pytest.mark.fault("B38", "/proc is not mounted, and stored runs are judged and accepted")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("store", "check"), ExitCode.OK),
        (("baseline", "accept", "20261126T144918-paced-ec34", "--reason", "x"), ExitCode.OK),
    ],
    ids=["store check", "baseline accept"],
)
def test_what_is_stored_is_judged_as_ever(tmp_path: Path, arguments: tuple[str, ...], code: ExitCode) -> None:
    shutil.copytree(STORED, tmp_path / "results")
    done = without_proc(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
