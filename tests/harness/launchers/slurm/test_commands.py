"""Parses the output of Slurm's commands, and checks what is requested from Slurm."""

from pathlib import Path

import pytest

from ssdbench.cli.slurm_options import slurm_options
from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.launchers.slurm.commands import JobState, read_state, sbatch_arguments
from ssdbench.harness.launchers.slurm.launcher import required_resources
from ssdbench.harness.launchers.slurm.probe import probe_cluster
from ssdbench.schema.case import Case
from ssdbench.schema.record import SlurmOptions
from tests.builders import a_case

SHOWN = (
    "JobId=17 JobName=ssdbench-0 UserId=me(1000) Priority=1 Nice=0 Account=lab QOS=normal JobState={state} "
    "Reason={reason} Dependency=(null) Requeue=0 Restarts=0 BatchFlag=1 ExitCode=0:0 RunTime={time} "
    "TimeLimit=00:17:00 NodeList={nodes} BatchHost=n1 NumNodes=2 NumCPUs=4"
)


def test_a_job_is_read_from_one_line() -> None:
    line = SHOWN.format(state="RUNNING", reason="None", time="1-02:03:04", nodes="n[1-2]")
    assert read_state(line) == JobState(state="RUNNING", reason="None", run_seconds=93784.0, nodes="n[1-2]")
    waiting = read_state(SHOWN.format(state="PENDING", reason="Resources", time="00:00:00", nodes="(null)"))
    assert (waiting.is_waiting, waiting.has_ended, waiting.hopeless_reason, waiting.nodes) == (True, False, None, "")


@pytest.mark.parametrize("reason", ["PartitionTimeLimit", "QOSMaxWallDurationPerJobLimit", "BadConstraints"])
def test_a_job_that_waits_for_what_never_comes_is_hopeless(reason: str) -> None:
    assert JobState(state="PENDING", reason=reason).hopeless_reason == reason
    assert JobState(state="RUNNING", reason=reason).hopeless_reason is None


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "CANCELLED"])
def test_a_job_in_one_of_these_states_has_ended(state: str) -> None:
    assert JobState(state=state).has_ended


@pytest.mark.parametrize("state", ["PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"])
def test_a_job_in_one_of_these_states_has_not_ended(state: str) -> None:
    assert not JobState(state=state).has_ended


def asked(case: Case, options: SlurmOptions) -> str:
    return " ".join(sbatch_arguments(required_resources(case, 16, shares_nodes=not options.exclusive), options))


def test_a_launch_asks_for_its_nodes_whole_and_for_its_time_and_two_minutes() -> None:
    case = a_case(device="cuda", world_size=16, nodes=2)
    assert asked(case, SlurmOptions(partition="a100", account="lab")) == (
        "--nodes=2 --ntasks-per-node=1 --time=17 --exclusive --mem=0 --gres=gpu:8 --partition=a100 --account=lab"
    )


def test_a_launch_that_shares_a_node_asks_for_its_gpus_and_processors() -> None:
    options = SlurmOptions(exclusive=False, arguments=("--mem=64G",))
    case = a_case(device="cuda", world_size=2, threads_per_rank=4)
    assert asked(case, options) == "--nodes=1 --ntasks-per-node=1 --time=17 --cpus-per-task=10 --gres=gpu:2 --mem=64G"
    assert "--exclusive" in asked(a_case(device="cpu"), options)


def test_a_launch_that_shares_a_node_asks_for_no_more_processors_than_there_are() -> None:
    case = a_case(device="cuda", world_size=2, threads_per_rank=8)
    assert "--cpus-per-task=16 " in asked(case, SlurmOptions(exclusive=False))


def test_options_are_given_by_name() -> None:
    given = ["partition=gpu", "jobs=4", "exclusive=false", "arguments=--reservation=night --mem=64G"]
    assert slurm_options("slurm", given) == SlurmOptions(
        partition="gpu", jobs=4, exclusive=False, arguments=("--reservation=night", "--mem=64G")
    )
    assert slurm_options("local", []) is None


@pytest.mark.parametrize(
    ("launcher", "given", "says"),
    [
        ("slrum", [], "--launcher slrum is unknown: choose from local, slurm"),
        ("local", ["jobs=2"], "add --launcher slurm"),
        ("slurm", ["partion=gpu"], "did you mean 'partition'"),
        ("slurm", ["partition"], "write it as name=value"),
        ("slurm", ["jobs=0"], "1 or more"),
        ("slurm", ["exclusive=no"], "give true or false"),
        ("slurm", ['arguments="--mem'], "cannot be read"),
    ],
)
def test_a_wrong_option_is_one_sentence(launcher: str, given: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        slurm_options(launcher, given)


def test_a_machine_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="sbatch is not on the PATH: install it"):
        probe_cluster(SlurmOptions(), "python", tmp_path)
