"""`ssdbench run --launcher slurm`, whole: a real Slurm of two nodes, real torchrun, real faults."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.launchers.slurm.commands import Job
from ssdbench.harness.process import SOURCE
from ssdbench.schema.environment import Network
from ssdbench.schema.record import Failure
from tests.cli.conftest import Ssdbench, Start
from tests.cli.test_converge_run import suite
from tests.cli.test_run import eventually, latest, measured, only
from tests.paced import write_paced
from tests.slurm_cluster import cancel_all, jobs

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
slow = pytest.mark.slow

SUITE = """
name = "two-nodes"
device = "cpu"
foreign_cpu_limit_cores = 64.0
[protocol]
warmup_steps = 1
steps = 2
launches = 1
timeout_seconds = 240
[[matrix]]
workload = "train"
backbone = "resnet18"
pipeline = "resident"
batch_size_per_gpu = 2
world_size = [1, 2]
nodes = [1, 2]
threads_per_rank = 1
exclude = [{ world_size = 2, nodes = 1 }]
"""
PACE = ("run", "--workload", "pace", "--warmup", "1", "--foreign-cpu", "64", "--launcher", "slurm")


@pytest.fixture
def environment(environment: dict[str, str], slurm: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    # The launches' folders are then those of this test alone.
    yield {**environment, "SLURM_CONF": str(slurm), "SSDBENCH_CACHE": str(tmp_path), "GLOO_SOCKET_IFNAME": "lo"}
    cancel_all(slurm)


def workers(tmp_path: Path) -> dict[int, psutil.Process]:
    """The living ranks of the test's launches."""
    found = {}
    for process in psutil.process_iter():
        try:
            if any(part == "ssdbench.worker" for part in process.cmdline()) and str(tmp_path) in process.cmdline()[-1]:
                found[int(process.environ()["RANK"])] = process
        except (psutil.Error, KeyError):
            continue
    return found


def stepping(tmp_path: Path, ranks: int) -> bool:
    files = list(tmp_path.glob("work/*/*/events-*.jsonl"))
    return len(files) == ranks and all('"step":' in file.read_text() for file in files)


def numbers(slurm: Path) -> set[str]:
    """Of all jobs that the controller remembers: those of earlier tests it forgets at any time."""
    return {number for number, _ in jobs(slurm)}


def network(tmp_path: Path, index: int) -> Network:
    found = measured(latest(tmp_path).records[index]).network
    assert found is not None
    return found


def failure(tmp_path: Path) -> Failure:
    found = only(latest(tmp_path)).failure
    assert found is not None
    return found


def test_a_launch_is_a_job_whose_progress_is_told_and_whose_figures_come_back(
    ssdbench: Ssdbench, tmp_path: Path, slurm: Path
) -> None:
    before = numbers(slurm)
    done = ssdbench(*PACE, "--steps", "4", "--launches", "1")
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stdout
    record = only(latest(tmp_path))
    assert measured(record).step_seconds[0] >= 0.1
    assert network(tmp_path, 0).rank_hosts in (("node1",), ("node2",))
    assert len(numbers(slurm) - before) == 2  # the probe's, and the launch's


@slow
def test_the_smoke_suite_is_measured_whole(ssdbench: Ssdbench, tmp_path: Path) -> None:
    done = ssdbench("run", "smoke", "--launcher", "slurm")
    assert done.returncode == 0, done.stdout + done.stderr
    run = latest(tmp_path)
    assert len(run.records) == len(run.header.plan.order) > 0
    assert all(record.measurement is not None and record.invalid_reason is None for record in run.records)


@slow
def test_pairs_are_measured_on_one_node_until_they_are_decided(ssdbench: Ssdbench, tmp_path: Path) -> None:
    done = ssdbench(
        "run", write_paced(tmp_path), "--decide", "--baseline-python", sys.executable, "--launcher", "slurm"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = latest(tmp_path)
    assert run.header.baseline_arm is not None
    nodes = {host for number in range(len(run.records)) for host in network(tmp_path, number).rank_hosts}
    assert (len(nodes), {record.arm for record in run.records}) == (1, {"baseline", "candidate"})


@slow
def test_seeds_are_trained_at_the_same_time_each_on_its_node(ssdbench: Ssdbench, tmp_path: Path) -> None:
    trained = ("converge", "--suite", suite(tmp_path), "--seeds", "2", "--launcher", "slurm", "--slurm", "jobs=2")
    done = ssdbench(*trained)
    assert done.returncode == 0, done.stdout + done.stderr
    records = latest(tmp_path).records
    assert [record.launch for record in records] == [0, 1]
    assert all(record.training is not None and record.training.complete for record in records)
    assert len(list((tmp_path / "results" / "training").glob("*/*/last.pt"))) == 2


@slow
def test_a_suite_is_measured_over_the_nodes_and_says_where_its_ranks_were(ssdbench: Ssdbench, tmp_path: Path) -> None:
    suite = tmp_path / "two-nodes.toml"
    suite.write_text(SUITE)
    planned = ssdbench("plan", str(suite), "--launcher", "slurm")
    assert planned.returncode == 0, planned.stderr
    assert "1 ranks cannot be spread evenly over 2 nodes" in " ".join(planned.stdout.split())
    done = ssdbench("run", str(suite), "--launcher", "slurm", "--slurm", "jobs=2")
    assert done.returncode == 0, done.stderr
    assert "1 ranks cannot be spread evenly over 2 nodes" in " ".join(done.stdout.split())
    one, two = latest(tmp_path).records
    assert (one.case.nodes, two.case.nodes) == (1, 2)
    assert network(tmp_path, 0).rank_hosts in (("node1",), ("node2",))
    assert sorted(network(tmp_path, 1).rank_hosts) == ["node1", "node2"]
    assert network(tmp_path, 1).settings["GLOO_SOCKET_IFNAME"] == "lo"
    assert measured(two).images == 8
    assert 0 < one.launch_seconds < 240


@slow
def test_a_host_that_was_killed_goes_on_with_what_its_jobs_have_done_meanwhile(
    start: Start, ssdbench: Ssdbench, tmp_path: Path, slurm: Path
) -> None:
    before = numbers(slurm)
    process = start(*PACE, "--steps", "10", "--launches", "3", "--slurm", "jobs=2")
    # The third launch is submitted when the first one is stored.
    eventually(lambda: list(tmp_path.glob("work/*/*-measure-candidate-2-0/job")), 240)
    process.kill()
    process.wait()
    stored = latest(tmp_path).records
    assert stored[0].launch == 0
    (third_job,) = tmp_path.glob("work/*/*-measure-candidate-2-0/job")
    subprocess.run(["scancel", third_job.read_text()], env={**os.environ, "SLURM_CONF": str(slurm)}, check=True)

    resumed = ssdbench("run", "--resume")
    assert resumed.returncode == ExitCode.CASE_FAILED, resumed.stderr
    run = latest(tmp_path)
    assert run.records[: len(stored)] == stored
    assert [record.launch for record in run.records] == [0, 1, 2]
    assert measured(run.records[1]).images > 0  # its job ended without a host
    assert run.records[2].failure is not None
    assert run.records[2].failure.kind == "interrupted"
    assert len(numbers(slurm) - before) == 4  # the probe's, and one a launch


@slow
def test_a_killed_rank_on_another_node_is_a_failure_that_names_both(
    start: Start, tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(*PACE, "--gpus", "2", "--nodes", "2", "--batch-size", "1", "--launches", "1", "--steps", "4000")
    eventually(lambda: stepping(tmp_path, 2), 240)
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    assert Job(next(tmp_path.glob("work/*/*/job")).read_text()).cancel("USR1")
    logs = list(tmp_path.glob("work/*/*/ranks/*/attempt_0/*/stderr.log"))
    eventually(lambda: all("most recent call first" in log.read_text() for log in logs))  # every rank says where it is
    assert len(logs) == 2
    rank = workers(tmp_path)[1]
    node = rank.environ()["SLURMD_NODENAME"]
    rank.kill()
    assert process.wait(120) == ExitCode.CASE_FAILED
    found = failure(tmp_path)
    assert (found.kind, found.rank) == ("crash", 1)
    assert f"rank 1 on {node} ended by SIGKILL" in found.message
    assert found.last_step is not None


@slow
def test_ctrl_c_cancels_all_jobs_and_what_is_done_is_kept(start: Start, tmp_path: Path, slurm: Path) -> None:
    process = start(*PACE, "--steps", "4000", "--launches", "3", "--slurm", "jobs=3")
    eventually(lambda: len(list(tmp_path.glob("work/*/*/job"))) == 3, 60)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "3 launches not measured; continue with `ssdbench run --resume" in output
    assert not jobs(slurm, "--states=PENDING,RUNNING")
    eventually(lambda: not workers(tmp_path))


@slow
def test_a_case_that_changed_is_profiled_in_jobs_on_one_node(ssdbench: Ssdbench, tmp_path: Path) -> None:
    before = tmp_path / "before" / "ssdbench"
    shutil.copytree(SOURCE / "ssdbench", before, ignore=shutil.ignore_patterns("__pycache__"))
    pace = before / "workloads" / "pace.py"
    text, sleep = pace.read_text(), "time.sleep(self._step_seconds)"
    assert text.count(sleep) == 1
    pace.write_text(text.replace(sleep, "time.sleep(self._step_seconds / 2)"))
    arms = ("--baseline-checkout", str(before.parent))
    measured = ssdbench("run", write_paced(tmp_path, steps=4, few=True), "--decide", *arms, "--launcher", "slurm")
    assert measured.returncode == ExitCode.REGRESSED, measured.stdout + measured.stderr
    done = ssdbench("explain", "latest", "--launches", "2", "--steps", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1. sleep: the host, between operators, is slower" in done.stdout
    folders = list(tmp_path.glob("work/*/*-profile-*"))
    assert len(folders) == 4
    assert len({json.loads((folder / "place-0.json").read_text())["host"] for folder in folders}) == 1
