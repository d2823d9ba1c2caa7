"""What is recorded as ssdbench's commit, and what a checkpoint can run."""

import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ssdbench.errors import DataError
from ssdbench.harness.process import SOURCE
from ssdbench.harness.version import source_commit
from ssdbench.ssd import state
from tests.cli.conftest import Ssdbench
from tests.harness.test_version import commit_in

_ASK = "from ssdbench.harness.machine.probe import probe_machine; print(probe_machine().host.ssdbench_commit)"


def _recorded_commit(source: Path, cwd: Path, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(source), **variables}
    command = [sys.executable, "-P", "-c", _ASK] if sys.version_info >= (3, 11) else [sys.executable, "-c", _ASK]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.fault("R10", "ssdbench installed in a .venv inside another project's checkout; GIT_DIR names that project")
def test_the_commit_of_another_repository_is_not_recorded(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    other = commit_in(project)
    packages = project / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    shutil.copytree(SOURCE / "ssdbench", packages / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))
    plain = {"GIT_DIR": str(project / ".git"), "GIT_WORK_TREE": str(packages)}
    assert _recorded_commit(packages, project) == "None"
    assert _recorded_commit(packages, tmp_path, **plain) == "None"
    assert _recorded_commit(packages, tmp_path, GIT_DIR=plain["GIT_DIR"]) == "None"
    assert other not in _recorded_commit(SOURCE, tmp_path, GIT_DIR=plain["GIT_DIR"])


@pytest.mark.fault("R10", "GIT_DIR and GIT_INDEX_FILE of a git hook while the checkout itself measures")
def test_a_checkout_keeps_its_own_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    own, _ = commit_in(tmp_path / "own"), commit_in(tmp_path / "other")
    assert commit_in(tmp_path / "other") != own, "a commit on top of the first"
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / "index"))
    assert source_commit(tmp_path / "own") == own


class _Malicious:
    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._trace}",)


def _as_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


def _as_torch_file(path: Path, content: object) -> None:
    """The form that torch.save writes since 1.6: a ZIP archive around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")


def _as_tar(path: Path, content: object) -> None:
    """The form of torch 0.1, which torch before 2.6 reads unsafely whatever it is told (CVE-2025-32434)."""
    with tarfile.open(path, "w:") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            data = pickle.dumps(content)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


WRITERS = [_as_pickle, _as_torch_file, _as_tar]
Writer = Callable[[Path, object], None]


def _planted(tmp_path: Path, written: Writer) -> tuple[Path, Path]:
    trace, checkpoint = tmp_path / "executed", tmp_path / "model.pt"
    written(checkpoint, {"model": {"weight": _Malicious(trace)}, "epoch": _Malicious(trace)})
    return trace, checkpoint


@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.fault("E58", "a checkpoint whose pickle runs a program, in each form that torch reads")
def test_a_malicious_checkpoint_is_refused(tmp_path: Path, written: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # for code that does not say what it wants
    trace, checkpoint = _planted(tmp_path, written)
    with pytest.raises(DataError, match=re.escape(str(checkpoint))):
        state.read(checkpoint)
    assert not trace.exists()


@pytest.mark.slow
@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.fault(
    "E58", "a malicious checkpoint given to evaluate, and as the weights of a measurement and a training"
)
def test_no_verb_runs_what_a_checkpoint_holds(ssdbench: Ssdbench, tmp_path: Path, written: Writer) -> None:
    trace, checkpoint = _planted(tmp_path, written)
    weights = ("--weights", str(checkpoint), "--device", "cpu")
    assert ssdbench("data", "synth", "data", "--train-images", "8", "--val-images", "4", "--easy").returncode == 0
    one = ("--launches", "1", "--warmup", "0", "--steps", "1")
    for words in (
        ("evaluate", str(checkpoint), "--data", "data", "--device", "cpu", "--pipeline", "torchvision"),
        ("run", "--workload", "infer", "--backbone", "resnet18", "--pipeline", "resident", *weights, *one),
        ("converge", "--data", "data", "--backbone", "resnet18", "--option", "epochs=1", "--seeds", "1", *weights),
    ):
        done = ssdbench(*words)
        assert done.returncode != 0, words
        assert "model.pt" in done.stderr + done.stdout, done.stdout + done.stderr
        assert not trace.exists(), words
