"""The command line of each engine: its mounts, variables, GPUs and network."""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.containers import commands
from ssdbench.harness.containers.commands import container_name, engine_failure
from ssdbench.harness.containers.engines import ENGINES, fill_in
from ssdbench.harness.containers.given_variables import given_variables
from ssdbench.harness.containers.images import require_image_name
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.harness.launchers.following import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import ContainerImage, Failure, Measurement
from tests.builders import GPU_HARDWARE, a_case, a_measurement

IMAGE = ContainerImage(reference="nvcr.io/nvidia/pytorch:24.09-py3", id="sha256:abc", packages={"torch": "2.5"})
DATA = Path("/datasets/coco")
GPUS = [GpuState(index=index, uuid=f"GPU-{name}", model="GPU", memory_bytes=None) for index, name in enumerate("abc")]


def request_of(**changes: object) -> LaunchRequest:
    request = LaunchRequest(
        schema_version=EXCHANGE_VERSION, case=a_case(), launch=0, seed=1, output="/scratch/launch", prepared_data=None
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def command(engine: str, request: LaunchRequest, gpus: Sequence[GpuState] = (), **options: object) -> list[str]:
    asked = ContainerOptions(engine=ENGINES[engine], **options)  # type: ignore[arg-type]
    launcher = ContainerLauncher(asked, IMAGE, DATA, gpus or GPUS, Path("/checkout"))
    with given_variables(asked) as given:
        return list(launcher.command(request, given.words))


def test_the_work_of_the_host_does_not_count_as_other_processes_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = a_measurement(wall_seconds=0.2, foreign_cpu_cores=0.5)
    heard: list[object] = []

    def launch(self: object, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        on_event({"event": "phase", "phase": "measure", "seconds": 0.0})
        begin = time.process_time()
        while time.process_time() == begin:
            pass
        on_event({"event": "phase", "phase": "profile", "seconds": 0.2})
        return seen

    monkeypatch.setattr(LocalLauncher, "launch", launch)
    asked = ContainerOptions(engine=ENGINES["docker"])
    found = ContainerLauncher(asked, IMAGE, DATA, GPUS, Path("/checkout")).launch(request_of(), heard.append)
    assert isinstance(found, Measurement)
    assert found.foreign_cpu_cores is not None
    assert found.foreign_cpu_cores < 0.5
    assert len(heard) == 2


def test_docker_gets_the_source_and_the_data_read_only_and_the_folder_of_the_launch_writable() -> None:
    words = command("docker", request_of(prepared_data="/cache/x/prepared.json"), mounts=("/opt/environment",))
    assert words[:3] == ["docker", "run", "--pull=never"]
    assert [word for word in words if word.startswith("--volume")] == [
        "--volume=/checkout/ssdbench:/ssdbench-source/ssdbench:ro",
        "--volume=/opt/environment:/opt/environment:ro",
        "--volume=/cache/x:/cache/x:ro",
        "--volume=/datasets/coco:/datasets/coco:ro",
        "--volume=/scratch/launch:/scratch/launch",
    ]
    assert f"--user={os.getuid()}:{os.getgid()}" in words
    assert "--network=none" in words
    assert {"--env=PYTHONPATH=/ssdbench-source", "--env=GLOO_SOCKET_IFNAME=lo", "--env=CUDA_VISIBLE_DEVICES="} < {
        *words
    }
    assert not [word for word in words if "gpu" in word.lower() and word.startswith("--gpus")]
    image = words.index("sha256:abc")
    assert words[image + 1 : image + 5] == ["python", "-m", "ssdbench.worker.launch", "/scratch/launch"]


def test_a_training_can_also_write_to_the_folder_of_its_seed_and_an_evaluation_reads_its_weights() -> None:
    words = command("docker", request_of(training_folder="/results/training/run/case-seed1"))
    assert [word for word in words if word.startswith("--volume") and not word.endswith(":ro")] == [
        "--volume=/scratch/launch:/scratch/launch",
        "--volume=/results/training/run/case-seed1:/results/training/run/case-seed1",
    ]
    evaluating = command("docker", request_of(checkpoint="/weights/best.pt"))
    assert "--volume=/weights/best.pt:/weights/best.pt:ro" in evaluating
    assert [word for word in evaluating if word.startswith("--volume") and not word.endswith(":ro")] == [
        "--volume=/scratch/launch:/scratch/launch"
    ]


def test_each_engine_gets_the_measured_gpus_and_no_others_in_its_own_syntax() -> None:
    request = request_of(case=a_case(device="cuda", world_size=2))
    assert '--gpus="device=GPU-a,GPU-b"' in command("docker", request)
    podman = command("podman", request)
    assert [word for word in podman if "GPU-" in word and word.startswith("--device")] == [
        "--device=nvidia.com/gpu=GPU-a",
        "--device=nvidia.com/gpu=GPU-b",
    ]
    apptainer = command("apptainer", request)
    assert apptainer[:2] == ["apptainer", "exec"]
    assert {"--nv", "--env=CUDA_VISIBLE_DEVICES=GPU-a,GPU-b", "--net", "--network=none"} < set(apptainer)
    assert "--env=NVIDIA_VISIBLE_DEVICES=GPU-a,GPU-b" in command("enroot", request)


@pytest.mark.parametrize("engine", ENGINES)
def test_ranks_in_a_container_get_the_gpus_in_the_order_of_the_run_whatever_that_of_the_bus(engine: str) -> None:
    request = request_of(case=a_case(device="cuda", world_size=2))
    words = command(engine, request, [GPUS[2], GPUS[0], GPUS[1]])
    told = [word.removeprefix("--env=") for word in words if word.startswith("--env=CUDA_")]
    assert told == ["CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=GPU-c,GPU-a"]
    without_uuids = [replace(gpu, uuid=None) for gpu in GPUS[1:]]  # an engine gives them indices of its own
    words = command(engine, request, without_uuids)
    assert not [word for word in words if word.startswith("--env=CUDA_VISIBLE_DEVICES")]


def test_a_launch_on_a_gpu_that_the_image_has_no_code_for_is_not_tried(tmp_path: Path) -> None:
    volta = replace(GPU_HARDWARE, gpu_model="Tesla V100", compute_capability=(7, 0))
    image = replace(IMAGE, packages={"torch": "2.11"}, gpu_code=("sm_75", "sm_80"))
    nothing = replace(ENGINES["docker"], command=("false",))  # an engine that would fail otherwise
    launcher = ContainerLauncher(ContainerOptions(engine=nothing), image, DATA, GPUS, hardware=volta)
    request = request_of(case=a_case(workload="pace", device="cuda"), output=str(tmp_path / "launch"))
    assert launcher.launch(request, print) == Failure(
        kind="unsupported",
        message=f"torch 2.11 of python in {IMAGE.reference} has no code for Tesla V100 of compute capability 7.0, only "
        "for sm_75, sm_80",
    )


def test_memory_limits_network_and_arguments_are_those_of_the_file() -> None:
    words = command(
        "podman",
        request_of(),
        shared_memory="8g",
        ulimits=("memlock=-1", "stack=67108864"),
        network=True,
        variables={"NCCL_DEBUG": "INFO"},
        arguments=("--cpuset-cpus=0-15",),
    )
    asked = ["--shm-size=8g", "--ulimit=memlock=-1", "--ulimit=stack=67108864", "--network=host"]
    assert [word for word in words if word in asked] == [asked[3], *asked[:3]]
    assert [word for word in words if word.startswith("--env-file=")]
    assert not [word for word in words if "INFO" in word]
    assert words[words.index("sha256:abc") - 1] == "--cpuset-cpus=0-15"
    assert "--network=none" not in words


def test_what_a_shell_would_read_stays_one_argument() -> None:
    nasty = "/scratch/$(reboot) ; `true` && x"
    words = command("docker", request_of(output=nasty))
    assert f"--volume={nasty}:{nasty}" in words
    assert fill_in(["{a}-{b}", "{{.Names}}"], a="{b}", b="2") == ("{b}-2", "{{.Names}}")


def test_a_path_that_an_engine_would_take_for_two_is_refused() -> None:
    with pytest.raises(UsageError, match=re.escape("/scratch/a:b cannot be mounted in a container")):
        command("docker", request_of(output="/scratch/a:b"))


@pytest.mark.parametrize(
    "name",
    ["nvcr.io/nvidia/pytorch:24.09-py3", "bench:1", "localhost:5000/a/b@sha256:" + "0" * 64, "sha256:" + "a" * 64,
     "docker://nvcr.io/nvidia/pytorch:24.09-py3"],
)  # fmt: skip
def test_names_of_images_are_known(name: str) -> None:
    require_image_name(name)


@pytest.mark.parametrize("name", ["", "--privileged", "a b", "Bench:1", "bench:", "x;reboot", "bench:1\n", "../up"])
def test_what_cannot_be_an_image_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not an image: write repository:tag"):
        require_image_name(name)


def test_an_image_without_what_a_case_needs_fails_before_anything_is_started(tmp_path: Path) -> None:
    options = ContainerOptions(engine=replace(ENGINES["docker"], command=("no-such-engine",)))
    launcher = ContainerLauncher(options, IMAGE, None)
    found = launcher.launch(request_of(output=str(tmp_path / "a"), case=a_case(pipeline="dali")), lambda event: None)
    assert isinstance(found, Failure)
    assert found.kind == "unsupported"
    assert "torchvision is not installed for python in nvcr.io/nvidia/pytorch:24.09-py3" in found.message

    failure = Failure(kind="disk_full", message="x cannot be pulled: no space left on device")
    broken = ContainerLauncher(options, replace(IMAGE, failure=failure), None)
    assert broken.launch(request_of(output=str(tmp_path / "b")), lambda event: None) == failure


def test_what_the_engine_complains_of_has_a_kind() -> None:
    assert engine_failure("x cannot be pulled", "write /layer: no space left on device").kind == "disk_full"
    refused = engine_failure("x cannot be pulled", "manifest unknown")
    assert (refused.kind, refused.message) == ("unsupported", "x cannot be pulled: manifest unknown")


def test_a_container_is_left_over_when_the_process_it_names_is_gone(tmp_path: Path) -> None:
    name = container_name(tmp_path)
    assert not commands._is_left_over(name)
    assert name != container_name(tmp_path / "other")
    parts = name.split("_")
    unused = next(pid for pid in range(400_000, 4_000_000) if not psutil.pid_exists(pid))
    assert commands._is_left_over("_".join([*parts[:2], str(unused), *parts[3:]]))
    reused = "_".join([*parts[:3], str(float(parts[3]) - 1000), parts[4]])
    assert commands._is_left_over(reused)
    elsewhere = "_".join([parts[0], "another-host", str(unused), *parts[3:]])
    assert not commands._is_left_over(elsewhere)
    assert not commands._is_left_over("somebody_elses_container")
