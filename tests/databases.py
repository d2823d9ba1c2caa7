"""A PostgreSQL server of the tests' own, and the kinds of store that every test of stores runs over."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

# What a careless program would print, record, or cut at a reserved character.
PASSWORD = "hush+hush:word"
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
STORES = ["files", *DATABASES]


def postgresql_binaries() -> Path | None:
    """The folder of initdb and pg_ctl; None where no server is installed."""
    config = shutil.which("pg_config")
    asked = [subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout] if config else []
    places = [*(Path(found.strip()) for found in asked), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]]
    on_path = shutil.which("pg_ctl")
    places += [Path(on_path).parent] if on_path else []
    return next((place for place in places if (place / "initdb").exists()), None)


class PostgresqlServer:
    """A server on loopback with a password; as root it runs as user postgres, which alone it accepts.

    Without `durable` it leaves the disk to the system, as tests that end no machine can afford.
    """

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self._binaries = binaries
        self._durable = durable
        self._user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.folder = Path(tempfile.mkdtemp(prefix="ssdbench-postgresql-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._schemas = 0
        (self.folder / "password").write_text(PASSWORD)
        for path in (self.folder, self.folder / "password"):
            shutil.chown(path, self._user)
        self._run(
            "initdb", "--no-sync", "-U", "bench", "-A", "scram-sha-256", "--pwfile", str(self.folder / "password")
        )
        self.start()

    def start(self) -> None:
        """Start it, after a crash too, and wait until it takes connections."""
        fsync = "on" if self._durable else "off"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync={fsync}"
        for _ in range(20):
            # Right after a crash its children may still hold its memory.
            if self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start", check=False) == 0:
                return
            time.sleep(0.5)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self) -> None:
        """End it as a crash of its machine would: every process of it, gone when this returns.

        A session outlives the server's first process for a moment, and would still take a record.
        """
        first = psutil.Process(int((self.folder / "data/postmaster.pid").read_text().split()[0]))
        # First of all the one that would start others in their place.
        first.suspend()
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=5)

    def stop(self) -> None:
        """End it, and remove all that it wrote."""
        self._run("pg_ctl", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def make_database(self, name: str) -> None:
        """Make an empty database, unless there is one of this name."""
        parts: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "bench", "password": PASSWORD}
        with psycopg.connect(**parts, dbname="postgres", autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {name}")

    def new_place(self) -> str:
        """The URL of an empty schema of its own: as good as a database, and made in no time."""
        self._schemas += 1
        name = f"bench_{self._schemas}"
        parts: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "bench", "password": PASSWORD}
        with psycopg.connect(**parts, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://bench:{PASSWORD}@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        command: Sequence[str] = [str(self._binaries / program), "-D", str(self.folder / "data"), *arguments]
        user: dict[str, Any] = (
            {"user": self._user, "group": self._user, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        with (self.folder / "output").open("ab") as output:
            done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=False, **user)
        if check and done.returncode:
            raise RuntimeError((self.folder / "output").read_text())
        return done.returncode
