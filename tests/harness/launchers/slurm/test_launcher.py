"""Jobs of a real Slurm with two nodes of two GPUs each (files represent them), and where they run."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.launchers.slurm.commands import Job, Resources, find_job, submit
from ssdbench.harness.launchers.slurm.launcher import SlurmLauncher, required_resources
from ssdbench.harness.launchers.slurm.probe import probe_cluster
from ssdbench.harness.machine.node import Node, node_mismatch
from ssdbench.harness.run_setup import new_setup
from ssdbench.harness.suite import parse_suite
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest, Protocol
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import BaselineArm, Failure, RunOptions, SlurmOptions
from tests.builders import HARDWARE, HOST, a_case
from tests.slurm_cluster import jobs

pytestmark = pytest.mark.slurm

Send = Callable[..., tuple[Job, Path]]
ON_NODE_1 = SlurmOptions(nodelist="node1")
SHARED = replace(ON_NODE_1, exclusive=False)


@pytest.fixture
def environment(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    return dict(os.environ)


@pytest.fixture
def send(environment: dict[str, str], tmp_path: Path) -> Send:
    """Submit a line of shell, or the argument of another program; what it prints is in the file."""

    def one(text: str, demand: Resources, options: SlurmOptions, program: str | None = None) -> tuple[Job, Path]:
        folder = tmp_path / f"job-{len(list(tmp_path.glob('job-*')))}"
        folder.mkdir()
        command = ["sh", "-c", text] if program is None else [program, text]
        return submit(command, folder, demand, options, environment), folder / "launch.log"

    return one


def ended(job: Job) -> str:
    deadline = time.monotonic() + 120
    while not (state := job.state()).has_ended:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return state.state


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.2)


def a_request(folder: Path, **changes: object) -> LaunchRequest:
    case = replace(a_case(), workload="pace", protocol=Protocol(warmup_steps=1, steps=5, timeout_seconds=300))
    case = replace(case, **changes)  # type: ignore[arg-type]
    return LaunchRequest(schema_version=EXCHANGE_VERSION, case=case, launch=0, seed=1, output=str(folder))


def a_launcher() -> SlurmLauncher:
    return SlurmLauncher(SlurmOptions(), sys.executable, HARDWARE, HOST)


def test_launches_that_share_a_node_never_share_a_gpu(send: Send) -> None:
    demand = required_resources(a_case(device="cuda"), 1, shares_nodes=True)
    sent = [send("echo $CUDA_VISIBLE_DEVICES; sleep 60", demand, SHARED) for _ in range(3)]
    until(lambda: all(log.exists() and log.read_text() for _, log in sent[:2]))
    assert sent[2][0].state().is_waiting
    assert {log.read_text().strip() for _, log in sent[:2]} == {"0", "1"}
    assert all(job.cancel() for job, _ in sent)


def test_a_launch_on_cpus_has_its_node_to_itself_and_others_go_to_other_nodes(send: Send) -> None:
    demand = required_resources(a_case(device="cpu"), 2, shares_nodes=True)
    sent = [send("echo $SLURMD_NODENAME; sleep 60", demand, SlurmOptions(exclusive=False)) for _ in range(3)]
    until(lambda: all(log.exists() and log.read_text() for _, log in sent[:2]))
    assert sent[2][0].state().is_waiting
    assert {log.read_text().strip() for _, log in sent[:2]} == {"node1", "node2"}
    assert all(job.cancel() for job, _ in sent)


def test_arguments_are_never_shell_text(send: Send, tmp_path: Path) -> None:
    job, log = send(f"$(touch {tmp_path}/made) `id` ; \"'", Resources(minutes=1), SlurmOptions(), program="echo")
    assert ended(job) == "COMPLETED"
    assert log.read_text() == f"$(touch {tmp_path}/made) `id` ; \"'\n"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (SlurmOptions(partition="nowhere"), "Slurm refused the job .*: Invalid partition name specified; see --slurm"),
        (SlurmOptions(partition="closed"), "can never start: PartitionTimeLimit"),
    ],
)
def test_a_cluster_that_takes_no_such_job_is_one_sentence(
    environment: dict[str, str], tmp_path: Path, options: SlurmOptions, sentence: str
) -> None:
    cluster = Path(environment["SLURM_CONF"])
    before = {number for number, _ in jobs(cluster)}
    with pytest.raises(UsageError, match=sentence):
        probe_cluster(options, sys.executable, tmp_path)
    assert {state for number, state in jobs(cluster) if number not in before} <= {"CANCELLED"}


def test_a_node_without_the_interpreter_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match="cannot start the worker's interpreter /nowhere/python"):
        probe_cluster(SlurmOptions(), "/nowhere/python", tmp_path)


def test_cases_are_planned_for_the_nodes_and_pairs_for_one_of_them(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path))
    matrix = {"workload": "pace", "world_size": 2, "nodes": [1, 2, 3]}
    suite = parse_suite({"name": "spread", "device": "cpu", "matrix": [matrix]}, "here")
    baseline_arm = BaselineArm(python=sys.executable, source=str(tmp_path))
    setup = new_setup(suite, RunOptions(slurm=SlurmOptions()), 1, baseline_arm)
    reasons = [planned.skip_reason for planned in setup.plan.cases]
    assert reasons == [None, None, "2 ranks cannot be spread evenly over 3 nodes"]
    assert setup.options.slurm is not None
    assert setup.options.slurm.nodelist in ("node1", "node2")


def test_a_launch_that_the_cluster_cannot_hold_is_a_failure(environment: dict[str, str], tmp_path: Path) -> None:
    outcome = a_launcher().launch(a_request(tmp_path / "launch", world_size=3, nodes=3), print)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "unsupported"
    assert outcome.message.endswith("can never start: PartitionNodeLimit")


def test_a_job_that_somebody_cancels_is_a_failure_that_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    request = a_request(tmp_path / "launch")
    launcher = a_launcher()
    launcher.submit(request)
    job = find_job(tmp_path / "launch")  # as a host finds it that was killed before it could keep the number
    assert job is not None
    until(lambda: job.state().state == "RUNNING")
    job.cancel()
    outcome = launcher.launch(request, print)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "interrupted"
    assert outcome.message.endswith("ended: it was cancelled by somebody else")


def test_a_launch_that_takes_too_long_is_ended_and_is_a_failure(environment: dict[str, str], tmp_path: Path) -> None:
    protocol = Protocol(warmup_steps=1, steps=4000, timeout_seconds=1)
    outcome = a_launcher().launch(a_request(tmp_path / "launch", protocol=protocol), print)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.rank) == ("timeout", 0)
    assert outcome.message.startswith("not done after 1 s: rank 0 ")
    assert not jobs(Path(environment["SLURM_CONF"]), "--states=PENDING,RUNNING")


def test_what_was_submitted_is_held_for_a_later_host_and_is_cancelled_when_withdrawn(
    environment: dict[str, str], tmp_path: Path
) -> None:
    launcher, configuration = a_launcher(), Path(environment["SLURM_CONF"])
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        launcher.submit(a_request(folder))
    assert all(a_launcher().holds(folder) for folder in folders)
    submitted = {(folder / "job").read_text() for folder in folders}
    launcher.withdraw()
    assert not any(a_launcher().holds(folder) for folder in folders)
    until(lambda: submitted <= {number for number, state in jobs(configuration) if state == "CANCELLED"})


def test_what_has_ended_before_it_was_withdrawn_is_still_to_be_collected(
    environment: dict[str, str], tmp_path: Path
) -> None:
    request = a_request(tmp_path / "launch")
    launcher = SlurmLauncher(SlurmOptions(), "/nowhere/python", HARDWARE, HOST)
    launcher.submit(request)
    job = find_job(tmp_path / "launch")
    assert job is not None
    assert ended(job) == "FAILED"
    launcher.withdraw()
    assert launcher.holds(tmp_path / "launch")
    outcome = launcher.launch(request, print)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "crash"
    assert "No such file or directory: '/nowhere/python'" in outcome.message


def test_a_node_of_another_kind_is_named_with_what_differs(environment: dict[str, str], tmp_path: Path) -> None:
    node = probe_cluster(ON_NODE_1, sys.executable, tmp_path)
    hardware, host = node.machine.hardware, node.machine.host
    assert (node.name, node.machine.nodes) == ("node1", 2)
    assert node_mismatch(hardware, host, node) is None
    assert node_mismatch(replace(hardware, cpu_count=64), host, node) is None  # a job sees its share alone
    sentence = str(node_mismatch(replace(hardware, cpu_model="Other"), replace(host, driver="580.1"), node))
    assert "node1 is not like the node that the run was planned for: cpu_model Other -> " in sentence
    assert sentence.endswith("driver 580.1 -> None")

    gpu = GpuState(index=0, uuid="GPU-a", model="H100", memory_bytes=1 << 36, power_limit_watts=700.0)
    planned, other = replace(host, gpus=(gpu,)), replace(gpu, uuid="GPU-b", power_limit_watts=500.0)
    assert node_mismatch(hardware, planned, with_gpus(node, replace(gpu, uuid="GPU-b"))) is None
    capped = with_gpus(node, gpu, other)
    assert str(node_mismatch(hardware, planned, capped)).endswith("power_limit_watts 700.0 -> 500.0 or 700.0")


def with_gpus(node: Node, *gpus: GpuState) -> Node:
    machine = node.machine
    return replace(node, machine=replace(machine, host=replace(machine.host, gpus=gpus)))
