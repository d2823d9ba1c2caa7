"""Launches in real containers: they return measurements or failures, and leave nothing running."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.commands import remove_leftovers
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest, Protocol
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import Failure, Measurement
from tests.builders import a_case
from tests.containers.conftest import REPOSITORY, Bench

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]

SOUND, BARE = f"{REPOSITORY}:26.01", f"{REPOSITORY}:bare"


def request_in(folder: Path, *, timeout_seconds: float = 900.0, ranks: int = 1, **options: float) -> LaunchRequest:
    protocol = Protocol(warmup_steps=0, steps=4, launches=1, timeout_seconds=timeout_seconds)
    case = a_case(
        workload="pace", backbone="none", pipeline="none", world_size=ranks, options=options, protocol=protocol
    )
    return LaunchRequest(
        schema_version=EXCHANGE_VERSION, case=case, launch=0, seed=1, output=str(folder / "launch"), prepared_data=None
    )


def launch(options: ContainerOptions, image: str, request: LaunchRequest) -> Measurement | Failure:
    outcome = ContainerLauncher(options, inspect_image(options, image), None).launch(request, lambda event: None)
    assert isinstance(outcome, (Measurement, Failure))
    return outcome


def test_a_launch_in_docker_gives_a_measurement_and_removes_its_container(docker: Bench, tmp_path: Path) -> None:
    image = inspect_image(docker.options, SOUND)
    assert image.failure is None
    assert image.id is not None
    assert image.id.startswith("sha256:")
    assert image.labels == {"org.example.made-for": SOUND}
    assert image.python == ".".join(map(str, sys.version_info[:3]))
    outcome = launch(docker.options, SOUND, request_in(tmp_path))
    assert isinstance(outcome, Measurement), outcome
    assert outcome.step_seconds[0] >= 0.1
    assert outcome.software.torch.startswith(image.packages["torch"])
    if outcome.software.cuda is not None:
        assert outcome.software.cublas is not None
        assert outcome.software.cublas.partition(".")[0] == outcome.software.cuda.partition(".")[0]
    assert docker.containers() == []


def test_what_cannot_be_had_or_run_is_a_failure_with_its_sentence(docker: Bench, tmp_path: Path) -> None:
    missing = inspect_image(docker.options, "127.0.0.1:1/none:1")
    assert missing.failure is not None
    assert missing.failure.kind == "unsupported"
    assert missing.failure.message.startswith("127.0.0.1:1/none:1 cannot be pulled: ")
    no_torch = launch(docker.options, BARE, request_in(tmp_path / "bare"))
    assert isinstance(no_torch, Failure)
    assert (no_torch.kind, no_torch.message) == (
        "unsupported",
        f"{BARE} has no torch for python: name the interpreter that has it as `python`, or mount an environment, "
        "in ci/containers.toml",
    )
    no_python = inspect_image(replace(docker.options, python="python9"), SOUND).failure
    assert no_python is not None
    assert no_python.kind == "unsupported"
    assert no_python.message.startswith(f"{SOUND} cannot run python9: ")
    limit = replace(docker.options, arguments=("--no-such-option",))
    refused = ContainerLauncher(limit, inspect_image(docker.options, SOUND), None).launch(
        request_in(tmp_path / "limit"), lambda event: None
    )
    assert isinstance(refused, Failure)
    assert refused.kind == "unsupported"
    assert refused.message.startswith(f"{SOUND} cannot be run: ")
    away = replace(docker.engine, command=("docker", "-H", "unix:///no/such/socket"))
    with pytest.raises(EnvironmentLacksError, match="does not respond"):
        remove_leftovers(away)


def test_podman_runs_the_same_image(podman: Bench, tmp_path: Path) -> None:
    image = inspect_image(podman.options, SOUND)
    assert image.failure is None
    assert "torch" in image.packages
    assert image.digest is not None
    assert podman.containers() == []


@pytest.mark.slow
def test_a_container_that_takes_too_long_is_killed_not_its_client_alone(docker: Bench, tmp_path: Path) -> None:
    outcome = launch(docker.options, SOUND, request_in(tmp_path, timeout_seconds=90.0, step_seconds=1000.0))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "timeout"
    assert "not done after 90 s" in outcome.message
    assert "/ssdbench-source/ssdbench/workloads/pace.py" in (outcome.log or "")  # where the rank stood
    assert docker.containers() == []


@pytest.mark.slow
def test_a_container_that_somebody_kills_is_a_failure(docker: Bench, tmp_path: Path) -> None:
    def kill(event: dict[str, object]) -> None:
        if event["event"] == "step":
            subprocess.run([*docker.engine.command, "kill", *docker.containers()], capture_output=True, check=True)

    image = inspect_image(docker.options, SOUND)
    outcome = ContainerLauncher(docker.options, image, None).launch(request_in(tmp_path, step_seconds=2.0), kill)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.message) == ("crash", f"the container of {SOUND} was ended from outside by SIGKILL")
    assert docker.containers() == []


@pytest.mark.slow
def test_a_launch_beyond_its_memory_is_out_of_memory(docker: Bench, tmp_path: Path) -> None:
    limited = replace(docker.options, arguments=("--memory=120m",))
    image = inspect_image(docker.options, SOUND)
    outcome = ContainerLauncher(limited, image, None).launch(request_in(tmp_path), lambda event: None)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "out_of_memory"
    assert outcome.message == f"the container of {SOUND} was killed at its memory limit"


@pytest.mark.slow
def test_two_ranks_find_each_other_without_a_network(podman: Bench, tmp_path: Path) -> None:
    options = replace(podman.options, shared_memory="1g")
    outcome = launch(options, SOUND, request_in(tmp_path, ranks=2))
    assert isinstance(outcome, Measurement), outcome
    assert len(outcome.rank_wall_seconds) == 2
    assert podman.containers() == []
