"""A cache that takes no more, and an interpreter that is none: one sentence, or failed launches with their reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, SsdbenchError
from ssdbench.harness.machine import worker_python
from ssdbench.harness.machine.worker_python import inspect_python
from tests.faults.launching import PACE, environment, run_pace, stored
from tests.faults.scripted import scripted_python

ONE = ("--steps", "3", "--launches", "1")


@pytest.mark.fault("B05", "B13", "R16", "the cache cannot be created: its parent is a file, or it is read-only")
@pytest.mark.parametrize("cache", ["/dev/null/cache", pytest.param("/proc/cache", marks=pytest.mark.slow)])
def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, cache: str) -> None:
    python = scripted_python(tmp_path, "pass")
    done = run_pace(tmp_path, *ONE, "--python", str(python), SSDBENCH_CACHE=cache)
    assert done.returncode == 8
    (sentence,) = done.stderr.splitlines()
    assert cache in sentence
    assert "set SSDBENCH_CACHE to a folder in which you can write" in sentence


@pytest.mark.fault("B06", "B07", "B14", "R16", "the cache is full: no blocks or no inodes are left for a launch")
@pytest.mark.parametrize(
    ("size", "real"),
    [
        ("size=4k", False),
        pytest.param("size=1m,nr_inodes=4", False, marks=pytest.mark.slow),
        pytest.param("size=12k", True, marks=pytest.mark.slow),
        pytest.param("size=1m,nr_inodes=12", True, marks=pytest.mark.slow),
    ],
)
def test_a_full_cache_is_a_failed_launch_that_says_so(tmp_path: Path, size: str, real: bool) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs a namespace for a small file system")
    (tmp_path / "cache").mkdir()
    python = sys.executable if real else str(scripted_python(tmp_path, "(folder / 'more').mkdir()"))
    mount = f'mount -t tmpfs -o {size} tmpfs cache && exec "$@"'
    command = [sys.executable, "-m", "ssdbench", *PACE, *ONE, "--python", python]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", *command],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    (record,) = stored(tmp_path).records
    assert record.failure is not None
    assert record.failure.kind == "disk_full"
    assert "SSDBENCH_CACHE" in record.failure.message


def fake_python(folder: Path, answer: str) -> str:
    path = folder / "answers"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return str(path)


NONSENSE = {
    "M34": ("{oops for its packages", "echo '{oops'", "crashed"),
    "M35": ("without version and packages", 'echo \'{"event": "result"}\'', "did not answer with its version"),
    "M36": ("exit code 77", 'echo \'{"event": "error", "message": "no", "exit_code": 77}\'', "no"),
    "K6": ("bytes that are no text", "printf '\\377{\\n'", "crashed"),
}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(text, says, marks=pytest.mark.fault(key, f"--python answers with {what}"), id=key)
        for key, (what, text, says) in NONSENSE.items()
    ],
)
def test_an_interpreter_that_answers_nonsense_is_one_sentence(tmp_path: Path, answer: str, says: str) -> None:
    with pytest.raises(SsdbenchError, match=says) as caught:
        inspect_python(fake_python(tmp_path, answer))
    assert caught.value.exit_code == 8


@pytest.mark.fault("M37", "--python never answers")
@pytest.mark.parametrize("answer", ["exec sleep 600", "while true; do echo '{}'; sleep 0.1; done"])
def test_an_interpreter_that_never_answers_is_one_sentence(
    tmp_path: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_python, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(EnvironmentLacksError, match=r"did not answer for 0\.5 s: name a Python interpreter"):
        inspect_python(fake_python(tmp_path, answer))


@pytest.mark.fault("M38", "--python is a relative path")
def test_an_interpreter_is_found_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = scripted_python(tmp_path, "pass")
    monkeypatch.chdir(tmp_path)
    assert inspect_python("./python").executable == str(python)
