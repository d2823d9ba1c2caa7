"""`ssdbench run`, whole: real torchrun, real process groups, real faults; slow, because a launch takes ten seconds."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ssdbench.analysis.metrics import figure, throughput
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Measurement, Record, Run
from tests.cli.conftest import Ssdbench, Start
from tests.cli.running import records_so_far

pytestmark = pytest.mark.slow

# However busy the machine of the tests is: what is tested here is not the replacing of invalid launches.
PACE = ("run", "--workload", "pace", "--warmup", "2", "--launches", "1", "--foreign-cpu", "64")


def latest(tmp_path: Path) -> Run:
    """The newest run, also while it is being measured."""
    store = FileStore(tmp_path / "results")
    return store.load(max(store.archive.run_ids()))


def only(run: Run) -> Record:
    (record,) = run.records
    return record


def measured(record: Record) -> Measurement:
    assert record.failure is None
    assert record.measurement is not None
    return record.measurement


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def ranks_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The worker processes below a started command, by rank; empty until all of two are there."""
    ranks = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "ssdbench.worker" in child.cmdline() and "RANK" in (variables := child.environ()):
                ranks[int(variables["RANK"])] = child
        except psutil.Error:
            continue
    return [ranks[rank] for rank in sorted(ranks)] if len(ranks) == 2 else []


def stepping(tmp_path: Path) -> bool:
    """Whether every rank of the launch in progress has finished a step."""
    files = list(Path(latest_work(tmp_path)).glob("events-*.jsonl"))
    return len(files) == 2 and all('"step":' in file.read_text() for file in files)


def latest_work(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "work").glob("*/*-measure-candidate-0-0")
    return folder


def test_a_known_pace_at_global_batch_2_gives_20_images_a_second_on_one_and_on_two_ranks(
    ssdbench: Ssdbench, tmp_path: Path
) -> None:
    for gpus, batch_size in (("1", "2"), ("2", "1")):
        done = ssdbench(*PACE, "--gpus", gpus, "--batch-size", batch_size, "--steps", "40")
        assert done.returncode == 0, done.stderr
        measurement = measured(only(latest(tmp_path)))
        assert measurement.images == 80
        assert measurement.global_batch_size == 2
        assert measurement.network is not None
        assert len(measurement.network.rank_hosts) == int(gpus)
        # A sleep never ends early and on a busy machine a little late.
        assert 18.0 < throughput(measurement) <= 20.0
        assert 0.1 <= (figure("latency_p50", measurement) or 0.0) < 0.11


@pytest.mark.long
def test_seconds_come_to_as_many_steps_on_all_ranks_as_the_slowest_one_fills_them_with_and_again_in_each_launch(
    ssdbench: Ssdbench, tmp_path: Path
) -> None:
    """20 images/s at global batch 2 on one rank, and on two of which one takes twice as long as the other."""
    slow = ("--option", "step_seconds=0.05", "--option", "slow_rank=1", "--option", "slow_seconds=0.05")
    seconds = ("--warmup-seconds", "1", "--steps", "5", "--timed-seconds", "2", "--launches", "2")
    for shape in (("--gpus", "1", "--batch-size", "2"), ("--gpus", "2", "--batch-size", "1", *slow)):
        done = ssdbench(*PACE, *shape, *seconds)
        assert done.returncode == 0, done.stderr
        first, second = map(measured, latest(tmp_path).records)
        timed = len(first.step_seconds) - first.warmup_steps
        # 2.2 s of steps that take 0.1 s and never less; the faster rank alone would want 44.
        assert 5 < timed <= 22
        assert first.warmup_steps > 2
        assert (second.warmup_steps, len(second.step_seconds)) == (first.warmup_steps, len(first.step_seconds))
        for measurement in (first, second):
            assert measurement.images == 2 * timed
            assert 18.0 < throughput(measurement) <= 20.0


@pytest.mark.long
def test_a_stall_in_the_batch_fetch_halves_the_throughput(ssdbench: Ssdbench, tmp_path: Path) -> None:
    done = ssdbench(*PACE, "--batch-size", "2", "--steps", "20", "--option", "fetch_seconds=0.1")
    assert done.returncode == 0, done.stderr
    measurement = measured(only(latest(tmp_path)))
    assert 9.0 < throughput(measurement) <= 10.0
    assert 0.45 < (figure("fetch_share", measurement) or 0.0) < 0.55
    phases = {phase.name: phase.seconds for phase in measurement.phases}
    assert list(phases) == ["fetch", "sleep"]
    assert all(seconds >= 0.1 for values in phases.values() for seconds in values)


def test_the_slowest_rank_sets_the_pace(ssdbench: Ssdbench, tmp_path: Path) -> None:
    slow = ("--option", "slow_rank=1", "--option", "slow_seconds=0.1")
    done = ssdbench(*PACE, "--gpus", "2", "--batch-size", "1", "--steps", "20", *slow)
    assert done.returncode == 0, done.stderr
    measurement = measured(only(latest(tmp_path)))
    assert 9.0 < throughput(measurement) <= 10.0
    assert measurement.rank_wall_seconds[0] < 3.0 < 4.0 <= measurement.rank_wall_seconds[1]


def test_a_killed_rank_is_a_failure_record_that_names_it(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path)
    process = start(*PACE, "--gpus", "2", "--batch-size", "1", "--steps", "400")
    eventually(lambda: ranks_of(process) and stepping(tmp_path))
    ranks_of(process)[1].kill()
    assert process.wait(60) == ExitCode.CASE_FAILED
    failure = only(latest(tmp_path)).failure
    assert failure is not None
    assert (failure.kind, failure.rank) == ("crash", 1)
    assert "SIGKILL" in failure.message
    assert failure.last_step is not None


@pytest.mark.long
def test_a_stalled_rank_runs_into_the_time_limit_and_its_stack_is_kept(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path)
    # Seconds of warm-up, so that the rank is stopped before the barrier that follows, however slow this machine is.
    seconds = ("--warmup", "100", "--steps", "10", "--timeout", "40")
    process = start(*PACE, "--gpus", "2", "--batch-size", "1", *seconds)
    eventually(lambda: ranks_of(process) and stepping(tmp_path))
    ranks = ranks_of(process)
    ranks[1].suspend()
    assert process.wait(120) == ExitCode.CASE_FAILED
    failure = only(latest(tmp_path)).failure
    assert failure is not None
    assert (failure.kind, failure.rank) == ("timeout", 1)
    assert "not done after 40 s" in failure.message
    (log,) = latest_work(tmp_path).glob("ranks/0/stderr.log")
    assert "in barrier" in log.read_text()  # rank 0 waited for the other, and its stack says so
    assert not any(rank.is_running() and rank.status() != psutil.STATUS_ZOMBIE for rank in ranks)


def test_ctrl_c_keeps_what_is_done_and_resume_measures_only_the_rest(
    start: Start, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    process = start(*PACE, "--launches", "2", "--steps", "30")
    eventually(lambda: len(records_so_far(tmp_path / "results")) == 1)
    eventually(psutil.Process(process.pid).children)  # the second launch
    first = only(latest(tmp_path))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "1 launch not measured; continue with `ssdbench run --resume" in output

    resumed = ssdbench("run", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "1 launch measured before" in resumed.stdout
    run = latest(tmp_path)
    assert run.records[0] == first
    assert [record.launch for record in run.records] == [0, 1]

    again = ssdbench("run", "--resume")
    assert again.returncode == ExitCode.USAGE
    assert "no unfinished run" in again.stderr


@pytest.mark.long
def test_nothing_outlives_a_host_that_is_killed_and_resume_measures_only_what_is_missing(
    start: Start, ssdbench: Ssdbench, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path)
    process = start(*PACE, "--gpus", "2", "--batch-size", "1", "--launches", "2", "--steps", "30")
    eventually(lambda: list(tmp_path.glob("work/*/*-measure-candidate-1-0")) and ranks_of(process), 240)
    first = only(latest(tmp_path))
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive

    resumed = ssdbench("run", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    run = latest(tmp_path)
    assert run.records[0] == first
    assert [record.launch for record in run.records] == [0, 1]
    assert measured(run.records[1]).images == 60


def test_an_unknown_option_of_a_workload_is_refused_before_anything_is_measured(
    ssdbench: Ssdbench, tmp_path: Path
) -> None:
    done = ssdbench(*PACE, "--option", "speed=3")
    assert done.returncode == ExitCode.USAGE
    assert "step_seconds" in done.stderr
    assert not (tmp_path / "results").exists()
