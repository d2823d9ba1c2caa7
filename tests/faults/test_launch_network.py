"""A launch on one machine cannot be reached from another, and obeys no other launcher's variables."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.faults.launching import PACE, environment, eventually, measures, ranks_of, run_pace, running_pace, stored
from tests.faults.launching import the_failure as failure_of

_LISTEN = "0A"
# 127.0.0.0/8, ::1, and the former written as an address of IPv6, as /proc/net writes them: bytes of words reversed.
_LOOPBACK = ("7F", "0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


@pytest.mark.fault("K2", "E53", "a stranger looks for a port of a running launch")
@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_no_process_of_a_launch_listens_outside_loopback(tmp_path: Path, ranks: int) -> None:
    with running_pace(tmp_path, "--gpus", str(ranks), "--steps", "2000", "--launches", "1") as process:
        eventually(lambda: measures(tmp_path, ranks))
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        assert len(ranks_of(process)) == ranks
        assert outside(family) == []


def outside(processes: list[psutil.Process]) -> list[str]:
    """The addresses beyond loopback on which one of these processes listens."""
    own = {link for process in processes for link in links(process)}
    found = []
    for table in ("tcp", "tcp6"):
        file = Path("/proc/net", table)
        for line in file.read_text().splitlines()[1:] if file.exists() else []:
            fields = line.split()
            address, state, inode = fields[1].partition(":")[0], fields[3], fields[9]
            if state == _LISTEN and f"socket:[{inode}]" in own and not is_loopback(address):
                found.append(fields[1])
    return found


def links(process: psutil.Process) -> list[str]:
    folder = Path("/proc", str(process.pid), "fd")
    found = []
    for path in folder.iterdir():
        try:
            found.append(str(path.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found


def is_loopback(address: str) -> bool:
    return address.endswith("7F") if len(address) == 8 else address in _LOOPBACK


@pytest.mark.fault("K2", "a program listens on all interfaces, which the search for listeners must find")
def test_a_listener_on_all_interfaces_is_found() -> None:
    for host, expected in (("0.0.0.0", 1), ("127.0.0.1", 0), ("::", 1), ("::1", 0)):
        family = "AF_INET6" if ":" in host else "AF_INET"
        code = (
            f"import socket; s = socket.socket(socket.{family}); s.bind(({host!r}, 0)); s.listen(); "
            "print('ready', flush=True); input()"
        )
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() == "":
                continue  # a machine without IPv6
            assert len(outside([psutil.Process(process.pid)])) == expected, host
            process.communicate("\n")


FOREIGN = {
    **{"PET_MAX_RESTARTS": "3", "PET_NNODES": "2", "MASTER_ADDR": "192.0.2.7", "MASTER_PORT": "1", "RANK": "5"},
    **{"WORLD_SIZE": "8", "LOCAL_RANK": "3", "TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_USE_AGENT_STORE": "True"},
}


@pytest.mark.fault("R12", "PET_MAX_RESTARTS and other variables of a launcher of jobs; a rank is killed")
@pytest.mark.slow
def test_a_killed_rank_is_never_started_again(tmp_path: Path) -> None:
    with running_pace(tmp_path, "--gpus", "2", "--steps", "2000", "--launches", "1", **FOREIGN) as process:
        eventually(lambda: measures(tmp_path, 2))
        ranks_of(process)[1].send_signal(signal.SIGKILL)
        assert process.wait(60) == 4
    assert (failure_of(tmp_path).kind, failure_of(tmp_path).rank) == ("crash", 1)


@pytest.mark.fault("R04", "the machine's own host name resolves to no address")
@pytest.mark.slow
def test_a_launch_needs_no_host_name(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-u", "true"], check=False).returncode:
        pytest.skip("needs a namespace for its host name")
    options = ("--gpus", "2", "--steps", "3", "--launches", "1", "--timeout", "60")
    command = [sys.executable, "-m", "ssdbench", *PACE, *options]
    subprocess.run(
        ["unshare", "-u", "sh", "-c", 'hostname build-vm-17; exec "$@"', "sh", *command],
        cwd=tmp_path, env=environment(tmp_path), check=True, capture_output=True,
    )  # fmt: skip
    (record,) = stored(tmp_path).records
    assert record.measurement is not None


@pytest.mark.fault("K2", "the user's own interface for gloo, one that others reach, is set")
@pytest.mark.slow
def test_the_interface_for_larger_jobs_does_not_open_a_launch_on_one_machine(tmp_path: Path) -> None:
    done = run_pace(tmp_path, "--steps", "3", "--launches", "1", GLOO_SOCKET_IFNAME="eth0")
    assert done.returncode == 0, done.stderr
    (record,) = stored(tmp_path).records
    assert record.measurement is not None
    assert record.measurement.network is not None
    assert record.measurement.network.interface == "lo"
