"""Many writers at once, and a server that is killed among them: what arrives, what is lost or double, and how fast.

python -m benchmarks.stores sqlite
python -m benchmarks.stores postgresql
python -m benchmarks.stores postgresql --kill       # end the server as a crash would, and start it again

Every writer is a process with a run of its own; each record is a transaction of its own, on disk before the next, as
runners write them. Every tenth record is sent twice.
"""

import argparse
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from ssdbench.harness.stores.opening import open_archive, open_store, spool_of
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Record
from tests.builders import a_header, a_record
from tests.databases import PostgresqlServer, postgresql_binaries

WRITERS = 8
RECORDS = 10_000
DOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Records over all writers; `spooled` of them came by the spool. Seconds of the writers, without the checks."""

    expected: int
    arrived: int
    double: int
    spooled: int
    seconds: float

    @property
    def lost(self) -> int:
        """How many were written and are not there."""
        return self.expected - self.arrived


def hammer(
    url: str, results: Path, *, writers: int, records: int, interrupt: Callable[[], None] | None = None
) -> Outcome:
    """Have `writers` processes write `records` each; `interrupt` is called when a third of all is written."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["ssdbench.harness.stores.sql.archive", "tests.builders", "tests.databases"])
    written, said = processes.Value("q", 0), processes.SimpleQueue()
    started = [
        processes.Process(target=_write, args=(url, results, f"run-{number}", records, written, said))
        for number in range(writers)
    ]
    began = time.monotonic()
    for process in started:
        process.start()
    while any(process.is_alive() for process in started):
        if interrupt is not None and written.value >= writers * records // 3:
            interrupt()
            interrupt = None
        time.sleep(0.05)
    seconds = time.monotonic() - began
    if failed := [process.exitcode for process in started if process.exitcode]:
        raise RuntimeError(f"{len(failed)} writers ended with exit codes {failed}")
    archive = open_archive(url)
    spooled = spool_of(results, archive).send(archive).records
    while not said.empty():
        spooled += sum(int(count) for count in re.findall(r"has the (\d+) records", said.get()))
    lines = [archive.read_run(f"run-{number}") for number in range(writers)]
    rows = sum(len(found.lines) - 1 for found in lines if found is not None)
    ids = {record.id for number in range(writers) for record in Store(archive).load(f"run-{number}").records}
    return Outcome(
        expected=writers * records, arrived=len(ids), double=rows - len(ids), spooled=spooled, seconds=seconds
    )


def _write(url: str, results: Path, run_id: str, records: int, written: "Synchronized[int]", said: "SimpleQueue[str]"):
    store = open_store(results, url, said.put)
    header, record = a_header(run_id=run_id), a_record(run_id=run_id)
    store.begin(header)
    for number in range(records):
        measured = _numbered(record, number)
        assert store.append(measured)
        if number % 10 == 0:
            store.append(measured)
        with written.get_lock():
            written.value += 1


def _numbered(record: Record, number: int) -> Record:
    return replace(
        record, id=f"{record.run_id}/{record.case.key}/measure/candidate/{number}/0", launch=number, order=number
    )


def crash(server: PostgresqlServer) -> None:
    """End the server as a crash would, and start it again."""
    server.kill()
    time.sleep(DOWN_SECONDS)
    server.start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", choices=["sqlite", "postgresql"])
    parser.add_argument("--writers", type=int, default=WRITERS)
    parser.add_argument("--records", type=int, default=RECORDS, help="of each writer")
    parser.add_argument("--kill", action="store_true", help="kill the server in the middle, and start it again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.database == "sqlite":
            url = f"sqlite:///{folder}/store.db"
            print(hammer(url, Path(folder), writers=given.writers, records=given.records))
            return
        binaries = postgresql_binaries()
        if binaries is None:
            parser.error("needs a PostgreSQL server: ci/install-postgresql.sh")
        server = PostgresqlServer(binaries, durable=True)
        try:
            interrupt = (lambda: crash(server)) if given.kill else None
            url = server.new_place()
            print(hammer(url, Path(folder), writers=given.writers, records=given.records, interrupt=interrupt))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
