"""Records that a store could not take, kept as files until it can: nothing lost, nothing double.

A spool is a folder of runs in the form of the file store. Processes that share it take turns by a lock in it,
so that what one adds is never removed by another that has just sent the rest. A record leaves the spool after the store
has it on disk; sent twice it is kept once, by its id.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import StoreError, StoreUnreachableError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive
from ssdbench.harness.stores.files import FileArchive
from ssdbench.harness.stores.locks import WAIT_SECONDS, Lock, StoreLockedError, locked
from ssdbench.harness.stores.store import Store
from ssdbench.harness.stores.sync import copy_run
from ssdbench.schema.record import Record, Run, RunHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How many runs and new records left a spool; `left` has a sentence for each that stays, with the reason."""

    runs: int
    records: int
    left: tuple[str, ...]


class Spool:
    """The runs kept in `folder`, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = FileArchive(folder)

    def is_empty(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._files.run_ids()

    def waiting(self) -> int:
        """How many records wait to be sent; a run of which only the header waits counts as one."""
        found = (self._files.read_run(run_id) for run_id in self._files.run_ids())
        return sum(max(1, len(lines.lines) - 1) for lines in found if lines is not None)

    def keep(self, header: RunHeader, record: Record | None = None) -> bool:
        """Keep a run's header and a record of it, on disk when this returns; False where both were there.

        It waits for its turn as long as a living process has it: what was measured is not given up.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._turn(math.inf):
            is_new = self._files.begin(header.run_id, codec.stored(header))
            if record is not None:
                is_new = self._files.append(header.run_id, {record.id: codec.stored(record)}) == 1
            return is_new

    def send(self, archive: Archive, *, wait_seconds: float = WAIT_SECONDS) -> Sent:
        """Send everything, run by run; what the archive has is removed here.

        Raises:
            StoreUnreachableError: the archive is out of reach; what was not sent stays.
            StoreLockedError: another process sends a run, or keeps one, for longer than `wait_seconds`.
        """
        runs, records, left = 0, 0, []
        # Asked before files are read: an archive that is down is tried again before every launch.
        archive.claims.find("spool")
        for run_id in self._files.run_ids():
            # A turn for each run, so that nobody who keeps a record waits for all of them.
            with self._turn(wait_seconds):
                if run_id not in self._files.run_ids():
                    continue  # another process has sent it
                try:
                    records += copy_run(self._files, archive, run_id, arriving=True)
                except StoreUnreachableError:
                    raise
                except StoreError as error:
                    left.append(f"run {run_id} stays in {self.folder}: {error}")
                    continue
                self._files.remove_run(run_id)
                runs += 1
        return Sent(runs=runs, records=records, left=tuple(left))

    def measuring(self, run_id: str) -> Lock:
        """The lock of a run that is measured into this spool; errors as `Store.measuring`."""
        lock = Lock(self._files.claims, f"run-{run_id}", f"measuring run {run_id}", say=lambda _: None)
        lock.acquire(0, renew=True)
        return lock

    def _turn(self, wait_seconds: float) -> AbstractContextManager[None]:
        return locked(self._files.claims, "spool", "sending what it holds", lambda _: None, wait_seconds=wait_seconds)


def spools_in(results: Path) -> list[Spool]:
    """The spools of all databases for which this folder keeps records."""
    folder = results / "spool"
    return [Spool(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


class SpoolingStore(Store):
    """A store whose runs go into a spool while it cannot take them, and from there to it as soon as it can."""

    def __init__(
        self, archive: Archive, spool: Spool, say: Callable[[str], None], waivers_file: Path | None = None
    ) -> None:
        super().__init__(archive, say, waivers_file)
        self._spool = spool
        self._last_said = ""
        self._begun: dict[str, RunHeader] = {}

    def begin(self, header: RunHeader) -> RunHeader:
        try:
            self._send()
            header = super().begin(header)
        except StoreUnreachableError as error:
            self._spool.keep(header)
            self._tell(error)
        self._begun[header.run_id] = header
        return header

    def append(self, record: Record) -> bool:
        try:
            self._send()
            return super().append(record)
        except StoreError as error:
            # Whatever the store's reason, a launch that was measured is kept.
            header = self._begun.get(record.run_id)
            if header is None:
                raise
            is_new = self._spool.keep(header, record)
            self._tell(error)
            return is_new

    def measuring(self, run_id: str) -> Lock:
        try:
            return super().measuring(run_id)
        except StoreUnreachableError:
            return self._spool.measuring(run_id)

    def load(self, run: str) -> Run:
        found = super().load(run)
        self._begun[found.header.run_id] = found.header
        return found

    def deliver(self) -> None:
        """Send what the spool holds, where the store can be reached."""
        try:
            self._send(WAIT_SECONDS)
        except StoreUnreachableError as error:
            self._tell(error)

    def _send(self, wait_seconds: float = 0.0) -> None:
        if self._spool.is_empty():
            return
        try:
            sent = self._spool.send(self.archive, wait_seconds=wait_seconds)
        except StoreLockedError:
            return  # another process is sending; what it leaves is sent before the next launch
        for sentence in sent.left:
            self._tell_once(sentence)
        if sent.runs:
            self._tell_once(f"{self.name} has the {sent.records} records that {self._spool.folder} kept")

    def _tell(self, error: StoreError) -> None:
        self._tell_once(f"{error}; records are kept in {self._spool.folder}, `ssdbench store send` sends them")

    def _tell_once(self, sentence: str) -> None:
        if sentence != self._last_said:
            self._last_said = sentence
            self._say(sentence)
