"""No process that a launch started outlives it, wherever it went and however the launch ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ssdbench.harness.launchers.diagnosis import diagnose
from ssdbench.schema.case import HOST_PROCESS
from tests.faults.launching import eventually, measures, ranks_of, run_pace, running_pace, steps, stored
from tests.faults.launching import the_failure as failure_of

# A rank that starts a process in a session of its own, and one whose parent has ended: init would adopt it.
_RANK = """
import os, signal, subprocess, sys, time
from pathlib import Path

folder, ending = Path(sys.argv[1]), sys.argv[2]
child = subprocess.Popen(["sleep", "777"], start_new_session=True)
(folder / "child").write_text(str(child.pid))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (folder / "part").write_text(str(os.getpid()))
        (folder / "part").rename(folder / "daemon")
        time.sleep(778)
    os._exit(0)
os.wait()
while not (folder / "daemon").exists():
    time.sleep(0.01)
if ending == "raise":
    raise ValueError("planted")
if ending == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if ending == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "hangs").touch()
    time.sleep(779)
"""


def launch(folder: Path, ending: str, *, by: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    (folder / "planted.py").write_text(_RANK)
    arguments = [str(folder), "--nnodes=1", "--nproc-per-node=1", "--log-dir", str(folder / "ranks")]
    program = [sys.executable, "-m", "ssdbench.worker.launch", *arguments, "-m", "planted", str(folder), ending]
    path = os.pathsep.join([str(folder), *sys.path])
    variables = {name: value for name, value in os.environ.items() if name != HOST_PROCESS}
    return subprocess.Popen([*by, *program], env=variables | {"PYTHONPATH": path})


def left(folder: Path) -> list[int]:
    """Those of the two processes that still run."""
    pids = [int((folder / name).read_text()) for name in ("child", "daemon")]
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.mark.fault("A09", "A10", "a rank leaves children in sessions of their own, and ends well, badly, by a signal")
@pytest.mark.parametrize(
    ("ending", "code"),
    [("well", 0), pytest.param("raise", 1, marks=pytest.mark.slow), pytest.param("kill", 1, marks=pytest.mark.slow)],
)
def test_children_of_a_rank_end_with_the_launch(tmp_path: Path, ending: str, code: int) -> None:
    with launch(tmp_path, ending) as process:
        assert process.wait(60) == code
    assert left(tmp_path) == []
    expected = {"well": 0, "raise": 1, "kill": -signal.SIGKILL}[ending]
    assert json.loads((tmp_path / "exits-0.json").read_text()) == {"0": expected}


@pytest.mark.fault("A12", "a rank forks a daemon twice and hangs until its launch is stopped")
def test_children_of_a_deaf_rank_end_when_the_launch_is_stopped(tmp_path: Path) -> None:
    with launch(tmp_path, "hang") as process:
        eventually((tmp_path / "hangs").exists)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert left(tmp_path) == []


@pytest.mark.fault("A12", "the host is killed while such a rank hangs")
@pytest.mark.slow
def test_children_of_a_rank_end_when_the_host_is_killed(tmp_path: Path) -> None:
    host = (
        "import os, subprocess, sys; "
        f"subprocess.run(sys.argv[1:], env=os.environ | {{{HOST_PROCESS!r}: str(os.getpid())}})"
    )
    with launch(tmp_path, "hang", by=(sys.executable, "-c", host)) as process:
        eventually((tmp_path / "hangs").exists)
        process.kill()
    eventually(lambda: left(tmp_path) == [], 20)


@pytest.mark.fault("A32", "the host is killed while it draws the synthetic data set")
@pytest.mark.slow
def test_drawing_images_ends_with_its_host(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ssdbench", "data", "synth", "drawn", "--train-images", "20000"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        host = psutil.Process(process.pid)
        # The supervisor, the module, and a process for each CPU that draws.
        eventually(lambda: len(host.children(recursive=True)) > 2)
        family = host.children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


@pytest.mark.fault("A23", "the host gets SIGTERM or SIGHUP during a launch, and the run is continued")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_signal_that_ends_the_host_ends_as_ctrl_c_does(tmp_path: Path, number: signal.Signals) -> None:
    with running_pace(tmp_path, "--steps", "2000", "--launches", "1") as process:
        eventually(lambda: measures(tmp_path))
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "not measured; continue with `ssdbench run --resume" in output
    assert [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE] == []
    assert stored(tmp_path).records == ()


@pytest.mark.fault("A15", "the only rank is ended by SIGTERM from outside")
@pytest.mark.slow
def test_a_rank_that_was_terminated_from_outside_is_named_with_its_step(tmp_path: Path) -> None:
    with running_pace(tmp_path, "--steps", "2000", "--launches", "1") as process:
        eventually(lambda: steps(tmp_path))
        ranks_of(process)[0].terminate()
        assert process.wait(60) == 4
    failure = failure_of(tmp_path)
    assert failure.message == "rank 0 ended by SIGTERM, which came from outside the launch"
    assert failure.rank == 0
    assert failure.last_step is not None


@pytest.mark.fault("A02", "the only rank ends with exit code 0 before it has measured")
def test_a_rank_that_ended_as_if_it_were_done_is_named_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "exits-0.json").write_text('{"0": 0}')
    (tmp_path / "step-0").write_bytes((12).to_bytes(8, "little"))
    failure = diagnose(tmp_path, 1, exit_code=0, timed_out_after_seconds=None)
    assert failure.message == "rank 0 ended with exit code 0 before it had finished"
    assert (failure.rank, failure.last_step) == (0, 12)


@pytest.mark.fault("K12", "several launches leave files of their own in the folder for temporary files")
@pytest.mark.slow
def test_no_launch_leaves_a_temporary_file(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = run_pace(tmp_path, "--gpus", "2", "--steps", "3", "--launches", "3", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []
