"""Container engines for tests, with services and storage separate from the machine's."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.containers.engines import ENGINES
from ssdbench.schema.container import Engine

_START_SECONDS = 60.0

# What a machine allows that gives root less than all: no higher limits, and control groups of both versions.
PODMAN_SETTINGS = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def why_not(name: str) -> str | None:
    """Why this engine cannot be had here; None where it can be tried."""
    programs = {"docker": ("dockerd", "docker"), "podman": ("podman", "runc")}[name]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        return f"{missing[0]} is not installed: run ci/install-container-engine.sh"
    return "needs root" if os.getuid() else None


@contextmanager
def engine_of_its_own(name: str) -> Iterator[Engine]:
    """The engine, until the end of the block; a short path, because of the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix=f"ssdbench-{name}-"))
    try:
        with {"docker": docker_in, "podman": _podman}[name](folder) as engine:
            yield engine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def docker_in(folder: Path) -> Iterator[Engine]:
    """A docker with all that it keeps in this folder, until the end of the block."""
    address = f"unix://{folder}/sock"
    command = [
        *("dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", address),
        *("--pidfile", f"{folder}/pid", "--iptables=false", "--ip6tables=false", "--bridge=none"),
        *("--insecure-registry", "127.0.0.0/8"),
    ]
    with (folder / "log").open("wb") as log, _service(command, log.fileno()):
        engine = replace(ENGINES["docker"], command=("docker", "-H", address))
        _wait_until(lambda: _answers(engine), f"dockerd does not answer, see {folder}/log")
        yield engine


@contextmanager
def _podman(folder: Path) -> Iterator[Engine]:
    settings = folder / "containers.conf"
    settings.write_text(PODMAN_SETTINGS)
    command = (
        *("env", f"CONTAINERS_CONF={settings}", "podman", "--root", f"{folder}/data", "--runroot", f"{folder}/run"),
        *("--tmpdir", f"{folder}/tmp"),
    )
    yield replace(ENGINES["podman"], command=command)
    # Its storage stays mounted after a test that failed.
    subprocess.run([*command, "system", "reset", "--force"], capture_output=True, check=False)


@contextmanager
def registry_of_its_own(accounts: str | None = None) -> Iterator[str]:
    """A registry on the loopback, empty; its address. With `accounts`, lines of htpasswd, for nobody else."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ssdbench-registry-"))
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    if accounts is not None:
        (folder / "htpasswd").write_text(accounts)
        with settings.open("a") as file:
            file.write(f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n")
    address = f"127.0.0.1:{port}"
    try:
        with _service(["docker-registry", "serve", str(settings)], subprocess.DEVNULL):
            _wait_until(lambda: _listens(port), "docker-registry does not listen")
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _service(command: list[str], log: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _answers(engine: Engine) -> bool:
    return subprocess.run([*engine.command, "ps"], capture_output=True, check=False).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
