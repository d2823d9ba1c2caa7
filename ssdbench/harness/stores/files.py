"""Runs and baselines as JSON lines in a folder tree that git can keep, merge and show in a review.

    <root>/records/<run id>.jsonl                    RunHeader, then one Record a line in the order of measurement
    <root>/baselines/<hardware key>/<name>.jsonl     BaselineHeader, one Acceptance a line, then one Record a line by
                                                     case key, session, stage and launch
    <root>/baselines/<hardware key>/<name>.anchor.jsonl    the same, of the oldest launches kept of each case

A run grows line by line, each on disk before the next launch begins. A last line that was cut off (the writer was
killed) is left out on reading and cut away before the next line is appended, so that a resumed run measures that launch
again. Any other line that cannot be read is an error: nothing is passed over in silence. Baselines are replaced whole,
and say in their header how many lines they have.
"""

import re
from dataclasses import replace
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.lines import append_line, parsed, read_all, read_header, remove, write_whole
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.verdict import Baseline, BaselineHeader

LATEST = "latest"
DEFAULT_BASELINE = "main"
_SUFFIX = ".jsonl"
_ANCHOR = ".anchor"
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
        write_whole(path, [codec.dump(header)])

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
        append_line(path, codec.dump(record))
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
        headers = [read_header(RunHeader, path) for path in self._files("records")]
        return sorted(headers, key=lambda header: (header.created_at, header.run_id))

    def save_baseline(self, baseline: Baseline) -> Path:
        """Write a baseline, replacing the one of its name and hardware; returns the file.

        Raises:
            StoreError: the name is no file name.
        """
        return _save(self._baseline_path(baseline.header.hardware.key, baseline.header.name), baseline)

    def save_anchor(self, anchor: Baseline) -> Path:
        """Write the anchor of the baseline that its header names; returns the file. Errors as `save_baseline`."""
        return _save(self._anchor_path(anchor.header.hardware.key, anchor.header.name), anchor)

    def load_baseline(self, hardware_key: str, name: str) -> Baseline:
        """The baseline of this name for this hardware.

        Raises:
            StoreError: there is none, a line cannot be read or is missing, or a launch is of no run that it names.
        """
        path = self._baseline_path(hardware_key, name)
        if not path.exists():
            raise StoreError(f"{path}: no baseline {name!r} for this hardware; accept a run with `baseline accept`")
        return _load(path)

    def load_anchor(self, hardware_key: str, name: str) -> Baseline | None:
        """The oldest launches kept of each case of this baseline; None where none were kept.

        Raises:
            StoreError: as `load_baseline`.
        """
        path = self._anchor_path(hardware_key, name)
        return _load(path) if path.exists() else None

    def has_baseline(self, hardware_key: str, name: str) -> bool:
        """Whether there is a baseline of this name for this hardware."""
        return self._baseline_path(hardware_key, name).exists()

    def forget_baseline(self, hardware_key: str, name: str) -> list[Path]:
        """Remove a baseline and its anchor; returns the files that were removed, none where there were none.

        Raises:
            StoreError: a file cannot be removed.
        """
        paths = [self._baseline_path(hardware_key, name), self._anchor_path(hardware_key, name)]
        removed = [path for path in paths if path.exists()]
        for path in removed:
            remove(path)
        return removed

    def baseline_places(self) -> list[tuple[str, str]]:
        """Folder and name of every baseline, also of one that cannot be read or of which only the anchor is left."""
        stems = {
            (path.parent.name, path.name.removesuffix(_SUFFIX).removesuffix(_ANCHOR))
            for path in self._files("baselines/*")
        }
        return sorted(stems)

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
        paths = [path for path in self._files("baselines/*") if not path.name.endswith(_ANCHOR + _SUFFIX)]
        headers = [read_header(BaselineHeader, path) for path in paths]
        return sorted(headers, key=lambda header: (header.hardware.key, header.name))

    def _files(self, folder: str) -> list[Path]:
        return sorted(self.root.glob(f"{folder}/*{_SUFFIX}"))

    def _run_path(self, run_id: str) -> Path:
        return self.root / "records" / f"{_checked(run_id, 'run id')}{_SUFFIX}"

    def _baseline_path(self, hardware_key: str, name: str) -> Path:
        if name.endswith(_ANCHOR):
            raise StoreError(f"baseline name {name!r} ends in {_ANCHOR!r}, as the files of anchors do; choose another")
        folder = self.root / "baselines" / _checked(hardware_key, "hardware key")
        return folder / f"{_checked(name, 'baseline name')}{_SUFFIX}"

    def _anchor_path(self, hardware_key: str, name: str) -> Path:
        return self._baseline_path(hardware_key, name).with_suffix(_ANCHOR + _SUFFIX)

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
        lines, torn = read_all(path)
        header = codec.read(RunHeader, lines[0] if lines else b"", f"{path} line 1")
        records: dict[str, Record] = {}
        for record in parsed(Record, lines[1:], path, first=2):
            records.setdefault(record.id, record)
        strangers = [record.id for record in records.values() if record.run_id != header.run_id]
        if strangers:
            raise StoreError(f"{path}: record {strangers[0]} is of another run than {header.run_id}; take its line out")
        return Run(header=header, records=tuple(records.values()), torn=torn)


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise StoreError(f"{what} {name!r} is no file name; use letters, digits, '.', '_' and '-' only")
    return name


def _few(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _save(path: Path, baseline: Baseline) -> Path:
    header = replace(baseline.header, acceptances=len(baseline.history), launches=len(baseline.records))
    place = {run_id: number for number, run_id in enumerate(_sessions(header))}
    records = sorted(
        baseline.records, key=lambda item: (item.case.key, place.get(item.run_id, -1), item.stage, item.launch)
    )
    write_whole(path, map(codec.dump, [header, *baseline.history, *records]))
    return path


def _load(path: Path) -> Baseline:
    lines, torn = read_all(path)
    if torn:
        raise StoreError(f"{path}: the last line is cut off; restore the file from version control")
    header = codec.read(BaselineHeader, lines[0] if lines else b"", f"{path} line 1")
    split = 1 + header.acceptances
    if header.launches is not None and len(lines) != split + header.launches:
        raise StoreError(
            f"{path}: {len(lines)} lines where its header counts {split + header.launches}; restore the file from "
            "version control"
        )
    history = parsed(Acceptance, lines[1:split], path, first=2)
    records = parsed(Record, lines[split:], path, first=split + 1)
    stranger = next((record for record in records if record.run_id not in _sessions(header)), None)
    if stranger:
        raise StoreError(
            f"{path}: launch {stranger.id} is of none of the runs that its header names; restore the file from version "
            "control"
        )
    return Baseline(header=header, records=tuple(records), history=tuple(history))


def _sessions(header: BaselineHeader) -> tuple[str, ...]:
    return header.sessions or (header.run_id,)
