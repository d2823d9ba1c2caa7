"""Runs and baselines in any archive: the one place that knows what names mean and when stored lines are sound.

Records appear in the order of measurement, each once, whoever added it again. Baselines are replaced whole, in the
order of case key, session, stage and launch, and say in their header how many lines they have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Kind, Lines, Place, checked, is_name, lock_name
from ssdbench.harness.stores.documents import baseline_lines, baseline_of, header_of_run, place_of, run_of
from ssdbench.harness.stores.latest import Say, choose_latest
from ssdbench.harness.stores.lines import read_all
from ssdbench.harness.stores.locks import Lock, holder_of, locked
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.text import shorten_list
from ssdbench.schema.verdict import Baseline, BaselineHeader

LATEST = "latest"
DEFAULT_BASELINE = "main"


H = TypeVar("H")


class Store:
    """Runs and baselines; `archive` holds their lines, and `say` hears what was passed over or taken over.

    `waivers_file` is the file of the waivers that hold for verdicts on its runs, whether it is there or not.
    """

    def __init__(self, archive: Archive, say: Say = lambda _: None, waivers_file: Path | None = None) -> None:
        self.archive = archive
        self.waivers_file = waivers_file
        self._say = say
        self._said: set[str] = set()

    @property
    def name(self) -> str:
        """Its name in a sentence: its folder, or its URL without the password."""
        return self.archive.name

    def begin(self, header: RunHeader) -> RunHeader:
        """Keep the header of a new run; returns it with its place in the order of arrival.

        Raises:
            StoreError: the run exists, or its id is no file name.
        """
        checked(header.run_id, "run id")
        with locked(self.archive.claims, "arrival", "beginning a run", self._say):
            earlier = [found.arrival for found in self._headers(lambda _: None)]
            header = replace(header, arrival=1 + max(earlier, default=0))
            is_new = self.archive.begin(header.run_id, codec.stored(header))
        if not is_new:
            raise StoreError(f"{self.name}: run {header.run_id} exists; resume it, or choose another id")
        return header

    def append(self, record: Record) -> bool:
        """Add a record to its run, on disk when this returns; False where it is there already.

        Raises:
            StoreError: the run was not begun or cannot be read, or has another measurement under this id.
        """
        checked(record.run_id, "run id")
        line = codec.stored(record)
        if self.archive.append(record.run_id, {record.id: line}) == 1:
            return True
        lines = self.archive.read_run(record.run_id)
        assert lines is not None
        known = {found.id: found for found in reversed(lines.parsed(Record))}
        if known[record.id] != codec.read(Record, line, record.id):
            raise StoreError(
                f"{lines.source}: record {record.id} is there already, of another measurement: two processes measure "
                "this run; end one of them"
            )
        return False

    def measuring(self, run_id: str) -> Lock:
        """Lock a run for the process that measures it, until the lock is released.

        Raises:
            StoreLockedError: another process measures it.
        """
        lock = Lock(self.archive.claims, f"run-{run_id}", f"measuring run {run_id}", say=self._say)
        lock.acquire(0, renew=True)
        return lock

    def accepting(self, kind: Kind, hardware_key: str, name: str) -> AbstractContextManager[None]:
        """One acceptance of this name at a time.

        Raises:
            StoreLockedError: another process keeps the name for minutes.
        """
        place = place_of(kind, hardware_key, name)
        return locked(self.archive.claims, lock_name(place), f"accepting {place.kind} {place.name}", self._say)

    def load(self, run: str) -> Run:
        """The run of this id, unique beginning of an id, path of a .jsonl file, or `latest`.

        Raises:
            StoreError: no such run, several of them, or a line that cannot be read.
        """
        return run_of(self._lines_of(run))

    def headers(self) -> list[RunHeader]:
        """The headers of all runs in the order of arrival; one that cannot be read is named and passed over."""
        return self._headers(self._say_once)

    def _headers(self, say: Say) -> list[RunHeader]:
        headers = list(_readable(self.archive.run_headers(), header_of_run, say))
        return sorted(headers, key=lambda header: (header.arrival, header.created_at, header.run_id))

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)

    def save_baseline(self, baseline: Baseline) -> str:
        """Write a baseline, replacing the one of its name and hardware; returns where it is.

        Raises:
            StoreError: the name is no file name.
        """
        return self._save("baseline", baseline)

    def save_anchor(self, anchor: Baseline) -> str:
        """Write the anchor of the baseline that its header names; returns where it is. Errors as `save_baseline`."""
        return self._save("anchor", anchor)

    def first_lines(self, hardware_key: str, name: str) -> dict[Place, str | None]:
        """The first lines of a baseline and its anchor as they are written, by their places: see `save_together`."""
        places = [place_of(kind, hardware_key, name) for kind in ("anchor", "baseline")]
        return {place: lines.first if (lines := self.archive.read(place)) else None for place in places}

    def save_together(self, baseline: Baseline, anchor: Baseline, expected: Mapping[Place, str | None]) -> str:
        """Write a baseline and its anchor in place of those whose first lines are expected; returns where it is.

        Raises:
            StoreError: another acceptance came first.
        """
        # The anchor first: if the process is killed between the two files, the next acceptance finds the older results.
        documents = {**baseline_lines("anchor", anchor), **baseline_lines("baseline", baseline)}
        if not self.archive.replace(documents, expected):
            raise StoreError(
                f"{self.name}: baseline {baseline.header.name} was replaced meanwhile, nothing was accepted; repeat "
                "this command to compare with what is there now"
            )
        return self.archive.where(list(documents)[-1])

    def load_baseline(self, hardware_key: str, name: str) -> Baseline:
        """The baseline of this name for this hardware.

        Raises:
            StoreError: there is none, a line cannot be read or is missing, or a launch is of no run that it names.
        """
        place = place_of("baseline", hardware_key, name)
        lines = self.archive.read(place)
        if lines is None:
            raise StoreError(
                f"{self.archive.where(place)}: no baseline {name!r} for this hardware; accept a run with `baseline "
                "accept`"
            )
        return baseline_of(lines)

    def load_anchor(self, hardware_key: str, name: str) -> Baseline | None:
        """The oldest launches kept of each case of this baseline; None where none were kept.

        Raises:
            StoreError: as `load_baseline`.
        """
        lines = self.archive.read(place_of("anchor", hardware_key, name))
        return baseline_of(lines) if lines is not None else None

    def has_baseline(self, hardware_key: str, name: str) -> bool:
        """Whether there is a baseline of this name for this hardware."""
        return place_of("baseline", hardware_key, name) in self.archive.places("baseline")

    def forget_baseline(self, hardware_key: str, name: str) -> list[str]:
        """Remove a baseline and its anchor; returns where they were, nothing where there were none.

        Raises:
            StoreError: one cannot be removed.
        """
        places = [place_of(kind, hardware_key, name) for kind in ("baseline", "anchor")]
        removed = [place for place in places if place in self.archive.places(place.kind)]
        for place in removed:
            self.archive.remove(place)
        return [self.archive.where(place) for place in removed]

    def baseline_places(self) -> list[tuple[str, str]]:
        """Hardware key and name of every baseline, also of one that cannot be read or whose anchor alone is left."""
        places = [*self.archive.places("baseline"), *self.archive.places("anchor")]
        return sorted({(place.hardware_key, place.name) for place in places})

    def list_baselines(self) -> list[BaselineHeader]:
        """The headers of all baselines, by hardware and name; one that cannot be read is named and passed over."""
        headers = list(
            _readable(self.archive.headers("baseline"), lambda lines: lines.header(BaselineHeader), self._say_once)
        )
        return sorted(headers, key=lambda header: (header.hardware.key, header.name))

    def find_reference(self, hardware_key: str, name: str) -> Baseline | Run | None:
        """The baseline of this name for this hardware, else the run of this name (as `load` takes it).

        None where there is no such baseline for this hardware yet: another machine has one, or it is the default.

        Raises:
            StoreError: `name` is neither a baseline anywhere nor a run, or a line cannot be read.
        """
        if is_name(name):
            if self.has_baseline(hardware_key, name):
                return self.load_baseline(hardware_key, name)
            if any(header.name == name for header in self.list_baselines()):
                return None
        try:
            lines = self._lines_of(name)
        except StoreError as error:
            if name == DEFAULT_BASELINE:
                return None
            raise StoreError(f"no baseline {name!r} in {self.name}, and as a run: {error}") from None
        return run_of(lines)

    def _lines_of(self, run: str) -> Lines:
        if run.endswith(".jsonl"):
            if not Path(run).is_file():
                raise StoreError(f"{run}: no such file of a run; `latest` or the beginning of a run id works as well")
            return read_all(Path(run))
        run_id = (
            choose_latest(self.headers(), self._being_measured, self._say_once, self.name) if run == LATEST else run
        )
        lines = self.archive.read_run(run_id) if run_id and is_name(run_id) else None
        if lines is None:
            lines = self.archive.read_run(self._completed(run))
        assert lines is not None
        return lines

    def _being_measured(self, run_id: str) -> str | None:
        return holder_of(self.archive.claims, f"run-{run_id}")

    def _completed(self, beginning: str) -> str:
        """The one run id that begins so."""
        ids = self.archive.run_ids()
        found = [run_id for run_id in ids if beginning and run_id.startswith(beginning)]
        if len(found) == 1:
            return found[0]
        if found:
            raise StoreError(
                f"{self.name}: {beginning!r} begins several run ids ({shorten_list(found, 5)}); write more of it"
            )
        none = "there is none yet: `ssdbench run` measures speed, `ssdbench converge` trains"
        there = f"there are {shorten_list(ids[::-1], 5)}" if ids else none
        raise StoreError(f"{self.name}: no run {beginning!r}; {there}")

    def _save(self, kind: Kind, baseline: Baseline) -> str:
        for place, lines in baseline_lines(kind, baseline).items():
            self.archive.write(place, lines)
        return self.archive.where(place)


def _readable(found: Iterable[Lines], read: Callable[[Lines], H], say: Say) -> Iterator[H]:
    for lines in found:
        try:
            yield read(lines)
        except StoreError as error:
            say(f"{error} (passed over)")
