"""Secrets in the environment, and in what an earlier version stored, show up nowhere."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.environment import Network
from ssdbench.schema.variables import RECORDED, holds_secret, is_recordable, looks_secret, mask_secrets
from tests.builders import HARDWARE, a_run
from tests.cli.conftest import Ssdbench
from tests.cli.running import accept, keep
from tests.cli.running import ssdbench as in_process

SECRET = "nvapi-NOTAREALKEY"
NAMES = (
    "NVIDIA_API_KEY",
    "CUDA_TOKEN",
    "TORCH_HUB_TOKEN",
    "NCCL_SECRET",
    "PYTORCH_TOKEN",
    "MKL_LICENSE",
    "GLOO_PASSWORD",
)


def files_with(text: str, *folders: Path) -> list[str]:
    """The files below these folders that hold this text."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if text.encode() in path.read_bytes())


@pytest.fixture
def loud_python(tmp_path: Path) -> Path:
    """An interpreter whose worker prints the environment and ends."""
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *worker.launch*) env >&2; exit 3;; esac\nexec "{sys.executable}" "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.fault(
    "K3", "E42", "R01", "secrets under names that begin like those of libraries, printed by the worker too"
)
def test_no_secret_of_the_environment_is_recorded(
    ssdbench: Ssdbench,
    environment: dict[str, str],
    loud_python: Path,
    tmp_path: Path,
) -> None:
    environment |= {name: f"{SECRET}-{name}" for name in NAMES} | {"NCCL_ALGO": "Ring"}
    run = ("run", "--workload", "pace", "--warmup", "0", "--steps", "1", "--launches", "1", "--device", "cpu")
    done = ssdbench(*run, "--foreign-cpu", "64", "--python", str(loud_python))
    assert done.returncode == 4, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not files_with(SECRET, tmp_path / "results")
    stored = FileStore(tmp_path / "results").load("latest")
    assert stored.header.host.variables["NCCL_ALGO"] == "Ring"
    (record,) = stored.records
    assert record.failure is not None
    assert "NVIDIA_API_KEY=[NVIDIA_API_KEY]" in str(record.failure.log), "the log itself is kept"


@pytest.mark.slow
@pytest.mark.fault("E42", "R01", "a secret that changes between two measured runs, then all that is made of them")
def test_nothing_made_of_measured_runs_has_a_secret(
    ssdbench: Ssdbench,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path / "cache")
    run = ("run", "--workload", "pace", "--warmup", "0", "--steps", "5", "--launches", "2", "--device", "cpu")
    for moment in ("OLD", "NEW"):
        environment |= dict.fromkeys(NAMES, f"{SECRET}-{moment}")
        done = ssdbench(*run, "--foreign-cpu", "64")
        assert done.returncode == 0, done.stderr
        ssdbench("baseline", "accept", "latest", "--reason", "first") if moment == "OLD" else None
    said = [
        ssdbench("compare", "latest", "--output", "github-summary=summary.md", "--output", "json=c.json"),
        ssdbench("report", "latest", "--markdown", "note.md", "-o", "report.html"),
        ssdbench("history", "pace", "--csv", "history.csv"),
        ssdbench("export", "latest", "--format", "csv", "-o", "launches.csv"),
    ]
    assert not [done.args for done in said if SECRET in done.stdout + done.stderr]
    assert not files_with(SECRET, tmp_path)  # with measurement.json and the logs of the launches


def _planted(results: Path) -> Iterator[Path]:
    """Files of an earlier version, with secrets in the header of a run and of a baseline and in a launch's network."""
    for path in [*results.glob("records/*.jsonl"), *results.glob("baselines/*/*.jsonl")]:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines[0]["host"]["variables"] = {
            "NVIDIA_API_KEY": SECRET,
            "NCCL_ALGO": "Ring",
            "NCCL_NET_PLUGIN": f"http://u:{SECRET}@x",
        }
        for line in lines[1:]:
            if line.get("measurement"):
                line["measurement"]["network"] = {
                    "rank_hosts": ["h"],
                    "backend": "gloo",
                    "settings": {"NCCL_SECRET": SECRET},
                }
        for line in lines:  # as ssdbench 0.2 wrote it
            line["schema_version"] = 2
            for key in ("checksum", "arrival"):
                line.pop(key, None)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        yield path


@pytest.mark.fault("K3", "secrets in the records and the baseline of an earlier version")
def test_secrets_of_older_records_are_redacted_when_read(tmp_path: Path) -> None:
    results = tmp_path / "results"
    keep(results, a_run(run_id="run-a"), a_run(run_id="run-b"))
    accept(results, "run-a")
    assert list(_planted(results))
    store = FileStore(results)
    run, baseline = store.load("run-b"), store.load_baseline(HARDWARE.key, "main")
    assert run.header.host.variables == baseline.header.host.variables == {"NCCL_ALGO": "Ring"}
    assert {
        record.measurement.network.settings["x"] for record in run.records if record.measurement.network.settings
    } == set()
    outputs = [f"{name}={tmp_path / name}" for name in ("github-summary", "json", "junit")]
    verbs = (
        ("compare", "run-b", "--metrics", *(word for output in outputs for word in ("--output", output))),
        ("report", "run-b", "-o", str(tmp_path / "r.html"), "--markdown", str(tmp_path / "r.md")),
        ("baseline", "show"),
        ("history", "train"),
        ("export", "run-b", "--format", "csv", "-o", str(tmp_path / "x.csv")),
    )
    for words in verbs:
        said = in_process(*words, "--results", results)
        assert said.code != 1, said.err
        assert SECRET not in said.out + said.err, words
    assert not [path for path in files_with(SECRET, tmp_path) if not path.startswith(str(results))]


@pytest.mark.fault(
    "K3", "secrets in the stored lines of an earlier version: `store check` names them, never their values"
)
def test_the_check_of_a_store_names_the_files_that_hold_secrets(tmp_path: Path) -> None:
    results = tmp_path / "results"
    keep(results, a_run(run_id="run-a"), a_run(run_id="run-b"))
    assert in_process("store", "check", "--results", results).code == 0
    accept(results, "run-a")
    planted = list(_planted(results))
    said = in_process("store", "check", "--results", results, columns=300)
    assert said.code == 2
    for path in planted:
        (line,) = [line for line in said.out.splitlines() if line.startswith(f"{path} line 1")]
        assert "NCCL_NET_PLUGIN" in line
        assert "NVIDIA_API_KEY" in line
        assert "revoke them" in line
    assert SECRET not in said.out + said.err


@pytest.mark.fault("K3", "listed names whose value holds credentials, and names that look like secrets")
def test_a_listed_name_does_not_make_a_secret_recordable() -> None:
    assert not [name for name in RECORDED if looks_secret(name)]
    assert is_recordable("NCCL_NET_PLUGIN", "ofi")
    assert not is_recordable("NCCL_NET_PLUGIN", "https://user:word@host/plugin.so")
    assert not is_recordable("NCCL_TOPO_FILE", "Bearer abcdefghijkl")
    assert Network(rank_hosts=("a",), backend="nccl", settings={"NCCL_TOKEN": "x"}).settings == {}
    assert [
        holds_secret(word) for word in ("--env=HF_TOKEN=x", "--env=HF_TOKEN=a==", "--env=HF_TOKEN", "--gpus=2")
    ] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.fault("K3", "a log that holds two secrets, one within the other, and values too short to be one")
def test_masking_takes_the_longest_first() -> None:
    variables = {
        "A_KEY": "abcdefgh",
        "B_TOKEN": "abcdefghijk",
        "C_KEY": "true",
        "PATH": "/usr/bin/abc",
        "AUTH_SOCK": "/run/u/sock",
    }
    assert mask_secrets("abcdefghijk abcdefgh true /run/u/sock", variables) == "[B_TOKEN] [A_KEY] true /run/u/sock"


@pytest.mark.fault("K3", "every variable that today's libraries read is set")
def test_what_changes_speed_is_still_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name in RECORDED:
            monkeypatch.delenv(name)
    listed = {"NCCL_ALGO": "Tree", "CUDA_LAUNCH_BLOCKING": "1", "PYTORCH_CUDA_ALLOC_CONF": "x", "OMP_NUM_THREADS": "2"}
    listed |= {"TORCH_NCCL_ASYNC_ERROR_HANDLING": "1", "NVIDIA_TF32_OVERRIDE": "0", "MKL_NUM_THREADS": "1"}
    for name, value in (listed | {"NCCL_UNHEARD_OF": "1"}).items():
        monkeypatch.setenv(name, value)
    assert probe_machine().host.variables == listed
