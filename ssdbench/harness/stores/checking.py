"""Reads everything that a store has, whatever it is, and says in sentences what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ssdbench.errors import StoreError, StoreUnreachableError
from ssdbench.harness.stores import codec, strict_json
from ssdbench.harness.stores.archive import KINDS, Archive, Kind, Lines, Place
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.documents import FIRST_LINES
from ssdbench.harness.stores.profiles import Profiles
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Record

T = TypeVar("T")
_FOLLOWING: tuple[Kind, ...] = ("nightly", "alert", "manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How much a store holds, and what is wrong with it; `unsealed` lines are older than checksums."""

    runs: int
    baselines: int
    distributions: int
    nightly_results: int
    alerts: int
    manifests: int
    profiles: int
    unsealed: int
    faults: tuple[str, ...]


def check(store: Store) -> Checked:
    """Read everything.

    Raises:
        StoreUnreachableError: the store does not answer.
    """
    archive, distributions = store.archive, DistributionStore(store.archive)
    runs, places = archive.run_ids(), store.baseline_places()
    names = [place.name for place in archive.places("distribution")]
    followers = [place for kind in _FOLLOWING for place in archive.places(kind)]
    faults = [
        *_faults(store.load, runs),
        *_faults(lambda place: (store.load_anchor(*place), store.load_baseline(*place)), places),
        *_faults(distributions.load, names),
        *_faults(partial(_read_first, archive), followers),
        *_faults(Profiles(archive).load, archive.places("profile")),
        *(fault for lines in _all_lines(archive) for fault in unlike_doubles(lines)),
    ]
    return Checked(
        runs=len(runs),
        baselines=len(places),
        distributions=len(names),
        nightly_results=len(archive.places("nightly")),
        alerts=len(archive.places("alert")),
        manifests=len(archive.places("manifest")),
        profiles=len(archive.places("profile")),
        unsealed=sum(
            not strict_json.has_checksum(_bytes(line)) for lines in _all_lines(archive) for line in lines.lines
        ),
        faults=tuple(faults),
    )


def _read_first(archive: Archive, place: Place) -> None:
    lines = archive.read(place)
    if lines is not None:
        lines.header(FIRST_LINES[place.kind][0])


def unlike_doubles(lines: Lines) -> Iterator[str]:
    """A sentence for each record id that a run or a baseline has with two different measurements."""
    known: dict[str, Record] = {}
    for line in lines.lines[1:]:
        try:
            record = codec.read(Record, line, lines.source)
        except StoreError:
            continue  # another kind of line, or one that is named already
        if known.setdefault(record.id, record) != record:
            yield (
                f"{lines.source}: record {record.id} is there twice with different measurements, of which the first "
                "counts; take one of the lines out"
            )


def _all_lines(archive: Archive) -> Iterator[Lines]:
    readers: list[Callable[[], Lines | None]] = [partial(archive.read_run, run_id) for run_id in archive.run_ids()]
    readers += [partial(archive.read, place) for kind in KINDS for place in archive.places(kind)]
    for read in readers:
        try:
            lines = read()
        except StoreUnreachableError:
            raise
        except StoreError:
            continue
        if lines is not None:
            yield lines


def _faults(read: Callable[[T], object], names: Iterable[T]) -> Iterator[str]:
    for name in names:
        try:
            read(name)
        except StoreUnreachableError:
            raise
        except StoreError as error:
            yield str(error)


def _bytes(line: str | bytes) -> bytes:
    return line.encode() if isinstance(line, str) else line
