"""Records from strangers: what `--resume` starts is named by this machine or this command line, or it is refused."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.process import SOURCE
from ssdbench.harness.stores import codec, strict_json
from ssdbench.harness.trust import Trust, is_own, remember, require_trusted, started_by
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import BaselineArm, ContainerImage, Overlay, RunHeader, RunOptions, SlurmOptions
from tests.builders import a_header
from tests.cli.running import ssdbench

RUN = (
    "run",
    "--workload",
    "pace",
    "--device",
    "cpu",
    "--warmup",
    "0",
    "--steps",
    "1",
    "--launches",
    "1",
    "--budget",
    "0s",
)
Plant = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that leaves a trace before it does what the interpreter does."""
    path = tmp_path / "planted"
    path.write_text(f'#!/bin/sh\ntouch "{tmp_path}/executed"\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def write_header(path: Path, header: dict[str, Any]) -> None:
    """Write the header of a run with the checksum that a stranger would give it."""
    unsealed = {key: value for key, value in header.items() if key != "checksum"}
    path.write_text(strict_json.sealed(strict_json.canonical(unsealed)) + "\n")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    """Begin a run that has nothing measured yet, and change its header as a stranger would."""

    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def begin(change: Callable[[dict[str, Any]], None], *more: str) -> Path:
        done = ssdbench(*RUN, *more)
        assert done.code == 0, done.err
        (path,) = (tmp_path / "results" / "records").glob("*.jsonl")
        header = json.loads(path.read_text())
        change(header)
        write_header(path, header)
        (tmp_path / "executed").unlink(missing_ok=True)
        return path

    return begin


def _container(script: Path) -> dict[str, Any]:
    options = ContainerOptions(engine=replace(ENGINES["docker"], command=(str(script),)))
    return json.loads(codec.dump(options))


@pytest.mark.parametrize("kind", ["interpreter", "engine", "baseline", "checkout", "slurm"])
@pytest.mark.fault("K10", "E41", "E56", "a stored run names an interpreter, an engine, a checkout or sbatch arguments")
def test_what_a_record_names_is_not_executed(begun: Plant, script: Path, tmp_path: Path, kind: str) -> None:
    def plant(header: dict[str, Any]) -> None:
        options = header["options"]
        if kind == "interpreter":
            options["python"] = str(script)
        elif kind == "engine":
            options |= {"container": _container(script), "image": {"reference": "bench:1"}}
        elif kind == "slurm":
            options["slurm"] = {"arguments": [f"--prolog={script}"]}
        else:
            python, source = (str(script), str(SOURCE)) if kind == "baseline" else (sys.executable, str(tmp_path))
            header["baseline_arm"] = {"python": python, "source": source}

    begun(plant)
    done = ssdbench("run", "--resume", "--budget", "0s")
    assert done.code == ExitCode.USAGE, done.out + done.err
    assert done.err.count("\n") == 1
    assert str(tmp_path if kind == "checkout" else script) in done.err, "it says what would be executed"
    assert "--trust-run" in done.err
    assert not (tmp_path / "executed").exists()


@pytest.mark.fault(
    "K10", "the interpreter of a stranger's record, trusted by option, by the command line, and by neither"
)
def test_an_interpreter_of_a_record_is_started_if_the_command_line_says_so(
    begun: Plant, script: Path, tmp_path: Path
) -> None:
    begun(lambda header: header["options"].update(python=str(script)))
    for words, is_started in (((), False), (("--python", str(script)), True), (("--trust-run",), True)):
        done = ssdbench("run", "--resume", "--budget", "0s", *words)
        assert done.code == (ExitCode.OK if is_started else ExitCode.USAGE), done.err
        assert (tmp_path / "executed").exists() == is_started
        (tmp_path / "executed").unlink(missing_ok=True)


@pytest.mark.fault(
    "K10", "a run of one's own with another interpreter, resumed without a word; then its record is changed"
)
def test_a_run_of_ones_own_continues_until_its_record_changes(begun: Plant, script: Path, tmp_path: Path) -> None:
    path = begun(lambda header: None, "--python", str(script))
    done = ssdbench("run", "--resume", "--budget", "0s")
    assert done.code == 0, done.err
    assert (tmp_path / "executed").exists()
    other = script.with_name("other")
    write_header(path, json.loads(path.read_text().replace(json.dumps(str(script)), json.dumps(str(other)))))
    done = ssdbench("run", "--resume", "--budget", "0s")
    assert done.code == ExitCode.USAGE
    assert str(other) in done.err


@pytest.mark.fault("K10", "--baseline-run names a run whose record names a stranger's interpreter")
def test_the_environment_of_a_baseline_run_is_not_started_either(begun: Plant, script: Path, tmp_path: Path) -> None:
    path = begun(lambda header: header["options"].update(measured_by=str(script)))
    decide = (*RUN[:-8], "--decide", "--baseline-run", path.stem, "--dry-run")
    done = ssdbench(*decide)
    assert done.code == ExitCode.USAGE, done.out + done.err
    assert f"interpreter '{script}'" in done.err
    assert not (tmp_path / "executed").exists()


@pytest.mark.fault("K10", "converge --resume of a record that names an interpreter")
def test_seeds_are_not_continued_with_what_a_record_names(begun: Plant, script: Path, tmp_path: Path) -> None:
    def plant(header: dict[str, Any]) -> None:
        header["options"]["python"] = str(script)
        header["plan"]["cases"][0]["case"]["workload"] = "accuracy"
        header["plan"]["order"] = []  # which names the case that it was

    path = begun(plant)
    done = ssdbench("converge", "--resume", "--run", path.stem)
    assert done.code == ExitCode.USAGE, done.out + done.err
    assert "--trust-run" in done.err
    assert not (tmp_path / "executed").exists()


@pytest.fixture
def header(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunHeader:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    return a_header(options=RunOptions(python="/opt/python"))


@pytest.mark.fault("K10", "the private notes lie in a folder that others can write, or are a link")
def test_a_note_that_others_could_have_written_is_not_believed(header: RunHeader, tmp_path: Path) -> None:
    remember(header)
    (note,) = (tmp_path / "cache" / "begun").iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    assert note.parent.stat().st_mode & 0o777 == 0o700
    assert is_own(header)
    assert not is_own(replace(header, options=replace(header.options, python="/opt/other")))
    assert not is_own(replace(header, run_id="../../etc/passwd"))
    note.parent.chmod(0o777)
    assert not is_own(header)
    note.parent.chmod(0o700)
    note.rename(tmp_path / "elsewhere")
    note.symlink_to(tmp_path / "elsewhere")
    assert not is_own(header)


@pytest.mark.fault(
    "K10", "a container run whose mounts, arguments or image differ from those of the command line in one word"
)
def test_a_container_run_continues_only_with_every_word_of_the_command_line(header: RunHeader) -> None:
    image = ContainerImage(reference="bench:1", id="sha256:a")
    own = ContainerOptions(engine=ENGINES["docker"], variables={"HF_TOKEN": "hf_secret"}, mounts=("/opt",))
    options = RunOptions(container=own, image=image)
    named = Trust(named=started_by(options, None))
    stored = replace(header, options=options)
    assert stored.options.container is not None
    assert stored.options.container.variables == {}
    require_trusted(stored, started_by(stored.options, None), named)
    for changed in (
        replace(options, container=replace(own, mounts=("/",))),
        replace(options, container=replace(own, arguments=("--privileged",))),
        replace(options, image=replace(image, id="sha256:b")),
        replace(options, image=replace(image, overlays=(Overlay(component="x", path="/", inside="/opt/x"),))),
        replace(options, slurm=SlurmOptions(arguments=("--x",))),
    ):
        with pytest.raises(UsageError, match="--trust-run"):
            require_trusted(replace(header, options=changed), started_by(changed, None), named)
    arm = BaselineArm(python="python", source="/stranger", image=image)
    with pytest.raises(UsageError, match="checkout of the baseline '/stranger'"):
        require_trusted(stored, started_by(options, arm), named)
