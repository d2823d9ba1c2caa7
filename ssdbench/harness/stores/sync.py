"""From one archive to another, without loss: line by line as they were written, each once.

What both have must be equal. Two versions of one record or header are never reconciled here; of two baselines of one
name the later acceptance can be chosen, which is said with what was copied. Results of nightly runs, alerts and
manifests of images follow from what was measured, profiles from the runs: of two the later one is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import KINDS, Archive, Kind, Lines, Place, lock_name
from ssdbench.harness.stores.documents import FIRST_LINES
from ssdbench.harness.stores.locks import locked
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Record, RunHeader

_ACCEPTED: tuple[Kind, ...] = ("anchor", "baseline", "distribution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy added to the target: counts, and the documents whose older acceptance was `replaced`."""

    runs: int
    records: int
    baselines: int
    distributions: int
    nightly_results: int = 0
    alerts: int = 0
    manifests: int = 0
    profiles: int = 0
    replaced: tuple[str, ...]


def sync(source: Archive, target: Archive, *, keep_newer: bool = False) -> Copied:
    """Copy to `target` what it lacks. With `keep_newer`, if baselines differ, the one accepted later is kept.

    Raises:
        StoreError: both have something under one name that differs; where that is a baseline, nothing was copied yet.
    """
    places = _places_to_copy(source, target, keep_newer=keep_newer)
    there = {place: lines.first for place in places if (lines := target.read(place)) is not None}
    known = set(target.run_ids())
    runs = source.run_ids()
    records = sum(copy_run(source, target, run_id) for run_id in runs)
    replaced = [target.where(place) for place in there if place.kind in _ACCEPTED]
    for place in places:
        _copy_place(source, target, place, there.get(place))
    return Copied(
        runs=len(set(runs) - known),
        records=records,
        baselines=_count(places, "baseline"),
        distributions=_count(places, "distribution"),
        nightly_results=_count(places, "nightly"),
        alerts=_count(places, "alert"),
        manifests=_count(places, "manifest"),
        profiles=_count(places, "profile"),
        replaced=tuple(replaced),
    )


def _count(places: Sequence[Place], kind: Kind) -> int:
    return sum(place.kind == kind for place in places)


def _copy_place(source: Archive, target: Archive, place: Place, expected: str | None) -> None:
    with locked(target.claims, lock_name(place), f"copying {place.kind} {place.name}", lambda _: None):
        if not target.replace({place: _content(source, place)}, {place: expected}):
            raise StoreError(f"{target.where(place)}: it was replaced meanwhile; repeat this command")


def sync_runs(source: Archive, target: Archive, runs: Sequence[str]) -> Copied:
    """Copy these runs alone (ids, their unique beginnings, or latest); errors as `sync`, and for unknown ones."""
    known, store = set(target.run_ids()), Store(source)
    chosen = {store.load(run).header.run_id for run in runs}
    records = sum(copy_run(source, target, run_id) for run_id in sorted(chosen))
    return Copied(runs=len(chosen - known), records=records, baselines=0, distributions=0, replaced=())


def copy_run(source: Archive, target: Archive, run_id: str, *, arriving: bool = False) -> int:
    """Copy what the target lacks of a run's header and records; returns the number of records copied.

    A run that is `arriving` was measured for this target, which now counts it among its runs.

    Raises:
        StoreError: a line cannot be read, or both have something under one id that differs.
    """
    lines = source.read_run(run_id)
    assert lines is not None
    measured = lines.header(RunHeader)
    header, new = _texts(lines)[0], _by_id(lines)
    there = target.read_run(run_id)
    if there is None and arriving and measured.arrival == 0:
        Store(target).begin(measured)
    elif there is None:
        target.begin(run_id, header)
    else:
        _refuse_unlike(run_id, header, new, there, lines.source)
    return target.append(run_id, new)


def _refuse_unlike(run_id: str, header: str, new: dict[str, str], there: Lines, source: str) -> None:
    if _texts(there)[0] != header and not _is_same_run(there, header, source):
        raise StoreError(
            f"run {run_id} has one header in {source} and another in {there.source}; rename one of the runs"
        )
    known = _by_id(there)
    unlike = next((record_id for record_id, line in new.items() if known.get(record_id, line) != line), None)
    if unlike:
        raise StoreError(
            f"record {unlike} is one measurement in {source} and another in {there.source}; take one of them out"
        )


def _is_same_run(there: Lines, header: str, source: str) -> bool:
    """Whether two headers differ in nothing but the order in which the stores got the run."""
    return there.header(RunHeader) == codec.read(RunHeader, header, f"{source} line 1")


def _by_id(lines: Lines) -> dict[str, str]:
    found: dict[str, str] = {}
    for record, line in zip(lines.parsed(Record), _texts(lines)[1:], strict=True):
        found.setdefault(record.id, line)
    return found


def _places_to_copy(source: Archive, target: Archive, *, keep_newer: bool) -> list[Place]:
    chosen = []
    for together in _groups(source):
        unlike = [place for place in together if _content(source, place) != _content(target, place)]
        known = [place for place in unlike if _content(target, place)]
        if known:
            here, there = _written_at(source, together), _written_at(target, together)
            if not keep_newer and known[0].kind in _ACCEPTED:
                raise StoreError(
                    f"{target.where(known[0])}, accepted {there}, differs from {source.where(known[0])}, accepted "
                    f"{here}; nothing was copied: take one of them out, or keep the later one with --keep-newer"
                )
            if here <= there:
                continue
        chosen += unlike
    return chosen


def _groups(source: Archive) -> list[list[Place]]:
    """All places; a baseline goes together with its anchor, and after it, as an acceptance writes them."""
    groups: dict[str, list[Place]] = {}
    for place in (place for kind in KINDS for place in source.places(kind)):
        groups.setdefault(lock_name(place), []).append(place)
    return list(groups.values())


def _written_at(archive: Archive, together: Sequence[Place]) -> str:
    """When the last of these places that the archive has was accepted or last changed."""
    lines = next(lines for place in reversed(together) if (lines := archive.read(place)) is not None)
    kind, date = FIRST_LINES[together[-1].kind]
    return str(getattr(lines.header(kind), date))


def _content(archive: Archive, place: Place) -> list[str]:
    lines = archive.read(place)
    return _texts(lines) if lines is not None else []


def _texts(lines: Lines) -> list[str]:
    try:
        return [line if isinstance(line, str) else line.decode() for line in lines.lines]
    except UnicodeDecodeError as error:
        raise StoreError(f"{lines.source}: not text in UTF-8 ({error.reason}); repair or remove it") from None
