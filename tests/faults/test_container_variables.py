"""Variables of containers reach the container, and nobody else: not `ps`, not a record."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.containers.config import load_containers
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.containers.given_variables import given_variables
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import REDACTED, ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure, RunOptions, SlurmOptions
from tests.builders import a_case, a_header
from tests.cli.conftest import Ssdbench
from tests.containers.conftest import Bench, docker  # noqa: F401  a real engine
from tests.paced import write_paced

SECRET = "hf_NOTAREALTOKEN"
IMAGE = ContainerImage(reference="bench:1", id="sha256:abc", packages={"torch": "2.11", "torchvision": "0.26"})

# An engine that notes its own command line, as `ps` shows it, and what a container would get, and ends badly.
_ENGINE = """#!/bin/sh
tr '\\0' '\\n' < /proc/$$/cmdline >> {folder}/ps
for word in "$@"; do
  case "$word" in
    --env-file=*) file="${{word#--env-file=}}"; stat -c %a "$file" >> {folder}/mode
      tee -a {folder}/given < "$file" >&2;;
    --env=HF_TOKEN) echo "HF_TOKEN=$HF_TOKEN" >> {folder}/given;;
  esac
done
if [ -n "$APPTAINERENV_HF_TOKEN" ]; then echo "HF_TOKEN=$APPTAINERENV_HF_TOKEN" >> {folder}/given; fi
exit 1
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "engine"
    path.write_text(_ENGINE.format(folder=tmp_path))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("by_name", [False, True], ids=["with a value", "by name"])
@pytest.mark.fault("K3", "E45", "a secret among the variables of a container, seen from `ps` and printed into the log")
def test_the_value_of_a_variable_is_on_no_command_line(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by_name: bool
) -> None:
    given: dict[str, object] = {"pass_variables": ("HF_TOKEN",)} if by_name else {"variables": {"HF_TOKEN": SECRET}}
    if by_name:
        monkeypatch.setenv("HF_TOKEN", SECRET)
    options = ContainerOptions(engine=replace(ENGINES[name], command=(str(engine),)), **given)  # type: ignore[arg-type]
    request = LaunchRequest(
        schema_version=EXCHANGE_VERSION,
        case=a_case(),
        launch=0,
        seed=1,
        output=str(tmp_path / "launch"),
        prepared_data=None,
    )
    failure = ContainerLauncher(options, IMAGE, None).launch(request, lambda event: None)
    assert isinstance(failure, Failure)
    assert SECRET not in (tmp_path / "ps").read_text()
    assert (tmp_path / "given").read_text().splitlines()[0] == f"HF_TOKEN={SECRET}"
    if (tmp_path / "mode").exists():
        assert set((tmp_path / "mode").read_text().split()) == {"600"}
    assert SECRET not in f"{failure.message} {failure.log}"


@pytest.mark.fault("E45", "the private file of variables after the container has ended")
def test_the_file_of_variables_is_gone_afterwards() -> None:
    options = ContainerOptions(engine=ENGINES["docker"], variables={"HF_TOKEN": SECRET})
    with given_variables(options) as given:
        path = Path(given.words[0].removeprefix("--env-file="))
        assert path.read_text() == f"HF_TOKEN={SECRET}\n"
    assert not path.exists()


@pytest.mark.fault("E45", "variables and arguments with secrets in the header of a run")
def test_a_record_has_the_names_of_variables_and_the_values_of_listed_ones() -> None:
    options = ContainerOptions(
        engine=ENGINES["docker"],
        variables={"HF_TOKEN": SECRET, "NCCL_ALGO": "Ring"},
        arguments=(f"--env=MY_KEY={SECRET}", "--cpus=2"),
    )
    slurm = SlurmOptions(arguments=(f"--export=ALL,API_TOKEN={SECRET}", "--mem=2"))
    stored = a_header(options=RunOptions(container=options, slurm=slurm)).options
    assert stored.container is not None
    assert stored.container.variables == {"NCCL_ALGO": "Ring"}
    assert stored.container.pass_variables == ("HF_TOKEN",)
    assert stored.container.arguments == (REDACTED, "--cpus=2")
    assert stored.slurm is not None
    assert stored.slurm.arguments == (REDACTED, "--mem=2")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('arguments = ["--env=HF_TOKEN=x"]', "an argument holds a secret"),
        ('pass_variables = ["A B"]', "'A B' is not the name of a variable"),
        ('variables = { A = "1\\n2" }', "variables.A cannot have a line feed"),
        ('variables = { A = "1" }\npass_variables = ["A"]', "A is in `variables` and in `pass_variables`"),
        ('[engines.own]\nlike = "docker"\ncommand = ["env", "API_KEY=x", "docker"]', "an argument holds a secret"),
    ],
)
@pytest.mark.fault("E45", "secrets and broken variables in containers.toml")
def test_a_secret_in_the_file_is_refused_where_it_would_be_shown(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "containers.toml"
    path.write_text(line)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        load_containers(path)


@pytest.mark.fault("E45", "a variable to be passed on is not set")
def test_a_missing_variable_is_named_before_anything_is_pulled(ssdbench: Ssdbench, tmp_path: Path) -> None:
    (tmp_path / "containers.toml").write_text('pass_variables = ["NOT_SET_HERE"]\n')
    done = ssdbench("containers", "run", "bench:1", "--suite", "smoke", "--containers", "containers.toml")
    assert done.returncode == 2
    assert "the variable NOT_SET_HERE, which is not set here" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.containers
@pytest.mark.fault("E45", "a whole run in Docker with a secret by value and another by name")
def test_a_real_container_gets_its_variables_and_no_record_does(
    docker: Bench,  # noqa: F811
    ssdbench: Ssdbench,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    environment["PASSED_KEY"] = SECRET
    write_paced(tmp_path, steps=1)
    more = {"variables": f'{{ HF_TOKEN = "{SECRET}", NCCL_ALGO = "Ring" }}', "pass_variables": '["PASSED_KEY"]'}
    file = docker.write(tmp_path, **more)
    done = ssdbench("containers", "run", "26.01", "--suite", "paced.toml", "--containers", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    run = FileStore(tmp_path / "results").load("latest")
    (record,) = run.records
    assert record.measurement is not None
    assert record.measurement.network is not None
    assert record.measurement.network.settings["NCCL_ALGO"] == "Ring", "it reached the worker"
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file() and SECRET in path.read_text()]
    monkeypatch.setenv("PASSED_KEY", SECRET)
    options = load_containers(file).options
    with given_variables(options) as given:
        mounts = [f"--volume={path}:{path}:ro" for path in options.mounts]
        image = ("bench:26.01", "python", "-c", "import os; print(os.environ['HF_TOKEN'], os.environ['PASSED_KEY'])")
        command = [*options.engine.command, "run", "--rm", "--network=none", *given.words, *mounts, *image]
        assert not [word for word in command if SECRET in word]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [SECRET, SECRET]
