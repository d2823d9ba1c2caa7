"""Runs, baselines and distributions as JSON lines in a folder tree that git can keep, merge and show in a review.

    <root>/records/<run id>.jsonl                    RunHeader, then one Record a line in the order of measurement
    <root>/baselines/<hardware key>/<name>.jsonl     BaselineHeader, one Acceptance a line, then one Record a line by
                                                     case key, session, stage and launch
    <root>/baselines/<hardware key>/<name>.anchor.jsonl    the same, of the oldest launches kept of each case
    <root>/convergence/<name>.jsonl                  DistributionHeader, then one Training a line in the order of seed
    <root>/nightly/<hardware key>/<run id>.jsonl     NightlyResult
    <root>/alerts/<hardware key>/alerts.jsonl        Alerts: all of this hardware
    <root>/manifests/<image id>.jsonl                ImageManifest
    <root>/profiles/<hardware key>/<run id>.jsonl    ProfileHeader, then one CaseProfile a line
    <root>/.locks/                                   who writes at the moment; git ignores it

A run grows line by line. A last line that was cut off (the writer was killed) is left out on reading and cut away
before the next line is appended, so that a resumed run measures that launch again. Any other line that cannot be read
is an error: nothing is passed over in silence.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.stores.archive import ANCHOR, OF_NO_HARDWARE, Kind, Lines, Place, checked, checked_place
from ssdbench.harness.stores.latest import Say
from ssdbench.harness.stores.lines import append_lines, read_all, read_first, remove, write_whole
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import locked
from ssdbench.harness.stores.store import Store
from ssdbench.harness.waivers import FILE_NAME
from ssdbench.schema.record import Record, RunHeader

LOCKS = ".locks"
_SUFFIX = ".jsonl"
_FOLDERS: Mapping[Kind, str] = {
    **dict.fromkeys(("baseline", "anchor"), "baselines"),
    "distribution": "convergence",
    "nightly": "nightly",
    "alert": "alerts",
    "manifest": "manifests",
    "profile": "profiles",
}
_ANCHOR_SUFFIX = ANCHOR + _SUFFIX


class FileArchive:
    """The tree under `root`; see `Archive`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._claims = FileClaims(root / LOCKS, str(root))
        # By file: its size when its record ids were last known, and those.
        self._known: dict[Path, tuple[int, set[str]]] = {}

    @property
    def name(self) -> str:
        return str(self.root)

    def begin(self, run_id: str, header: str) -> bool:
        path = self.run_path(run_id)
        with self._writing(run_id):
            if path.exists():
                return False
            write_whole(path, [header])
        return True

    def append(self, run_id: str, records: Mapping[str, str]) -> int:
        path = self.run_path(run_id)
        if not path.is_file():
            raise StoreError(f"{path}: no such file of a run; begin run {run_id} before its records are added")
        with self._writing(run_id):
            known = self._ids(path)
            new = {record_id: line for record_id, line in records.items() if record_id not in known}
            if new:
                append_lines(path, new.values())
                known.update(new)
                self._known[path] = (path.stat().st_size, known)
        return len(new)

    def run_ids(self) -> list[str]:
        return [path.name.removesuffix(_SUFFIX) for path in self._files("records/*")]

    def run_headers(self) -> list[Lines]:
        return [replace(_first(path), name=path.name.removesuffix(_SUFFIX)) for path in self._files("records/*")]

    def read_run(self, run_id: str) -> Lines | None:
        path = self.run_path(run_id)
        return replace(read_all(path), name=run_id) if os.path.lexists(path) else None

    def remove_run(self, run_id: str) -> None:
        """Forget a run, if it is there."""
        remove(self.run_path(run_id))

    def places(self, kind: Kind) -> list[Place]:
        return sorted(_place_of(kind, path) for path in self._paths(kind))

    def headers(self, kind: Kind) -> list[Lines]:
        return [_first(path) for path in self._paths(kind)]

    def read(self, place: Place) -> Lines | None:
        path = self._path(place)
        return read_all(path) if os.path.lexists(path) else None

    def write(self, place: Place, lines: Sequence[str]) -> None:
        write_whole(self._path(place), lines)

    def replace(self, documents: Mapping[Place, Sequence[str]], expected: Mapping[Place, str | None]) -> bool:
        for place, header in expected.items():
            found = self.read(place)
            if (found.first if found is not None else None) != header:
                return False
        for place, lines in documents.items():
            self.write(place, lines)
        return True

    def remove(self, place: Place) -> None:
        remove(self._path(place))

    def where(self, place: Place) -> str:
        return str(self._path(place))

    @property
    def claims(self) -> FileClaims:
        return self._claims

    def run_path(self, run_id: str) -> Path:
        """The file of a run, whether it is there or not."""
        return self.root / "records" / f"{checked(run_id, 'run id')}{_SUFFIX}"

    def _writing(self, run_id: str) -> AbstractContextManager[None]:
        """One process at a time, of whatever machine: they would write into one another's lines."""
        return locked(self._claims, f"append-{run_id}", f"writing to run {run_id}", _ignore)

    def _ids(self, path: Path) -> set[str]:
        size, known = self._known.get(path, (-1, set()))
        if path.stat().st_size == size:
            return known
        lines = read_all(path)
        lines.header(RunHeader)
        return {record.id for record in lines.parsed(Record)}

    def _paths(self, kind: Kind) -> list[Path]:
        if kind in OF_NO_HARDWARE:
            return self._files(f"{_FOLDERS[kind]}/*")
        paths = self._files(f"{_FOLDERS[kind]}/*/*")
        if kind not in ("baseline", "anchor"):
            return paths
        return [path for path in paths if path.name.endswith(_ANCHOR_SUFFIX) == (kind == "anchor")]

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(f"{pattern}{_SUFFIX}"))

    def _path(self, place: Place) -> Path:
        checked_place(place)
        suffix = _ANCHOR_SUFFIX if place.kind == "anchor" else _SUFFIX
        return self.root / _FOLDERS[place.kind] / place.hardware_key / f"{place.name}{suffix}"


def _first(path: Path) -> Lines:
    try:
        return read_first(path)
    except StoreError as error:
        return Lines(source=str(path), lines=[], fault=str(error))


def _ignore(_sentence: str) -> None:
    pass


class FileStore(Store):
    """The store in the tree under `root`."""

    def __init__(self, root: Path, say: Say = _ignore) -> None:
        super().__init__(FileArchive(root), say, root / FILE_NAME)
        self.root = root


def _place_of(kind: Kind, path: Path) -> Place:
    if kind in OF_NO_HARDWARE:
        return Place(kind=kind, name=path.name.removesuffix(_SUFFIX))
    suffix = _ANCHOR_SUFFIX if kind == "anchor" else _SUFFIX
    return Place(kind=kind, hardware_key=path.parent.name, name=path.name.removesuffix(suffix))
