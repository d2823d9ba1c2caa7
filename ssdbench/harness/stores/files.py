"""Runs and baselines as JSON lines in a folder tree that git can keep, merge and show in a review.

    <root>/records/<run id>.jsonl                    RunHeader, then one Record a line in the order of measurement
    <root>/baselines/<hardware key>/<name>.jsonl     BaselineHeader, then one Record a line by case key and launch

A run grows line by line, each on disk before the next launch begins. A last line that was cut off (the writer was
killed) is left out on reading and cut away before the next line is appended, so that a resumed run measures that launch
again. Any other line that cannot be read is an error: nothing is passed over in silence. Baselines are replaced whole.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.verdict import Baseline, BaselineHeader

T = TypeVar("T")

LATEST = "latest"
DEFAULT_BASELINE = "main"
_SUFFIX = ".jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class FileStore:
    """The tree under `root`; nothing is created before the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known_ids: dict[str, set[str]] = {}

    def begin(self, header: RunHeader) -> None:
        """Create the run's file with its header.

        Raises:
            StoreError: the run exists, or its id is no file name.
        """
        path = self._run_path(header.run_id)
        if path.exists():
            raise StoreError(f"{path}: run {header.run_id} exists; resume it, or choose another id")
        _write_whole(path, [codec.dump(header)])

    def append(self, record: Record) -> bool:
        """Add a record to its run, on disk when this returns; False where a record of that id is there already.

        Raises:
            StoreError: the run was not begun, or its file cannot be read.
        """
        path = self._run_path(record.run_id)
        known = self._known_ids.get(record.run_id)
        if known is None:
            known = {earlier.id for earlier in self._read_run(path).records}
            self._known_ids[record.run_id] = known
        if record.id in known:
            return False
        _append_line(path, codec.dump(record))
        known.add(record.id)
        return True

    def load(self, run: str) -> Run:
        """The run of this id, unique beginning of an id, path of a .jsonl file, or `latest`.

        Raises:
            StoreError: no such run, several of them, or a line that cannot be read.
        """
        return self._read_run(self._path_of(run))

    def headers(self) -> list[RunHeader]:
        """The headers of all runs, oldest first."""
        headers = [_read_header(RunHeader, path) for path in self._files("records")]
        return sorted(headers, key=lambda header: (header.created_at, header.run_id))

    def save_baseline(self, baseline: Baseline) -> Path:
        """Write a baseline, replacing the one of its name and hardware; returns the file.

        Raises:
            StoreError: the name is no file name.
        """
        path = self._baseline_path(baseline.header.hardware.key, baseline.header.name)
        records = sorted(baseline.records, key=lambda record: (record.case.key, record.launch))
        _write_whole(path, [codec.dump(baseline.header), *map(codec.dump, records)])
        return path

    def load_baseline(self, hardware_key: str, name: str) -> Baseline:
        """The baseline of this name for this hardware.

        Raises:
            StoreError: there is none, or a line cannot be read.
        """
        path = self._baseline_path(hardware_key, name)
        if not path.exists():
            raise StoreError(f"{path}: no baseline {name!r} for this hardware; accept a run with `baseline accept`")
        header, records, torn = _read_lines(BaselineHeader, path)
        if torn:
            raise StoreError(f"{path}: the last line is cut off; restore the file from version control")
        return Baseline(header=header, records=records)

    def has_baseline(self, hardware_key: str, name: str) -> bool:
        """Whether there is a baseline of this name for this hardware."""
        return self._baseline_path(hardware_key, name).exists()

    def find_reference(self, hardware_key: str, name: str) -> Baseline | Run | None:
        """What `name` means for this hardware: its baseline, else a run (as `load` takes it).

        None where there is no such baseline for this hardware yet: another machine has one, or it is the default.

        Raises:
            StoreError: `name` is neither a baseline anywhere nor a run, or a line cannot be read.
        """
        if _NAME.fullmatch(name):
            if self.has_baseline(hardware_key, name):
                return self.load_baseline(hardware_key, name)
            if any(header.name == name for header in self.list_baselines()):
                return None
        try:
            path = self._path_of(name)
        except StoreError as error:
            if name == DEFAULT_BASELINE:
                return None
            raise StoreError(f"no baseline {name!r} in {self.root / 'baselines'}, and as a run: {error}") from None
        return self._read_run(path)

    def list_baselines(self) -> list[BaselineHeader]:
        """The headers of all baselines, by hardware and name."""
        headers = [_read_header(BaselineHeader, path) for path in self._files("baselines/*")]
        return sorted(headers, key=lambda header: (header.hardware.key, header.name))

    def _files(self, folder: str) -> list[Path]:
        return sorted(self.root.glob(f"{folder}/*{_SUFFIX}"))

    def _run_path(self, run_id: str) -> Path:
        return self.root / "records" / f"{_checked(run_id, 'run id')}{_SUFFIX}"

    def _baseline_path(self, hardware_key: str, name: str) -> Path:
        folder = self.root / "baselines" / _checked(hardware_key, "hardware key")
        return folder / f"{_checked(name, 'baseline name')}{_SUFFIX}"

    def _path_of(self, run: str) -> Path:
        if run.endswith(_SUFFIX):
            return Path(run)
        if run == LATEST and (headers := self.headers()):
            return self._run_path(headers[-1].run_id)
        paths = {path.name.removesuffix(_SUFFIX): path for path in self._files("records")}
        if run in paths:
            return paths[run]
        found = [run_id for run_id in paths if run and run_id.startswith(run)]
        if len(found) == 1:
            return paths[found[0]]
        folder = self.root / "records"
        if found:
            raise StoreError(f"{folder}: {run!r} begins several run ids ({_few(found)}); write more of it")
        there = f"there are {_few(list(paths)[::-1])}" if paths else "there is none yet, measure with `ssdbench run`"
        raise StoreError(f"{folder}: no run {run!r}; {there}")

    def _read_run(self, path: Path) -> Run:
        if not path.is_file():
            raise StoreError(f"{path}: no such file of a run; `latest` or the beginning of a run id works as well")
        header, records, torn = _read_lines(RunHeader, path)
        strangers = [record.id for record in records if record.run_id != header.run_id]
        if strangers:
            raise StoreError(f"{path}: record {strangers[0]} is of another run than {header.run_id}; take its line out")
        return Run(header=header, records=records, torn=torn)


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise StoreError(f"{what} {name!r} is no file name; use letters, digits, '.', '_' and '-' only")
    return name


def _few(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _write_whole(path: Path, lines: Iterable[str]) -> None:
    part = path.with_name(path.name + ".part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines(line.encode() + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def _append_line(path: Path, line: str) -> None:
    with _writing(path), path.open("r+b") as file:
        _go_behind_last_whole_line(file)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _go_behind_last_whole_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if codec.is_whole(content[start:]):
        file.write(b"\n")
    else:
        file.truncate(start)
        file.seek(start)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another folder for results") from error


def _read_header(kind: type[T], path: Path) -> T:
    with path.open("rb") as file:
        return codec.read(kind, file.readline(), f"{path} line 1")


def _read_lines(kind: type[T], path: Path) -> tuple[T, tuple[Record, ...], bool]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    first, *lines = content.split(b"\n")
    header = codec.read(kind, first, f"{path} line 1")
    tail = lines.pop() if lines else b""
    torn = bool(tail) and not codec.is_whole(tail)
    if tail and not torn:
        lines.append(tail)
    records: dict[str, Record] = {}
    for number, line in enumerate(lines, start=2):
        record = codec.read(Record, line, f"{path} line {number}")
        records.setdefault(record.id, record)
    return header, tuple(records.values()), torn
