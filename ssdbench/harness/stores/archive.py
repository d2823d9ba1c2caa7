"""Where lines are kept, whatever they say: the contract of archives (files, SQL), and the names that they take."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.locks import Claims

T = TypeVar("T")
Kind = Literal["baseline", "anchor", "distribution", "nightly", "alert", "manifest", "profile"]
KINDS: tuple[Kind, ...] = ("anchor", "baseline", "distribution", "nightly", "alert", "manifest", "profile")
"""An anchor before its baseline, the order in which an acceptance writes them."""

OF_NO_HARDWARE: tuple[Kind, ...] = ("distribution", "manifest")
"""Kinds of documents whose places name no hardware."""

ANCHOR = ".anchor"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Key of a document that is replaced as a whole: kind and name; the hardware of kinds that belong to one."""

    kind: Kind
    hardware_key: str = ""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Whole lines as they were written; `source` says where they stand, `torn` that a last one was cut off.

    `name` is that of the run. Where nothing could be read, `fault` says why, and every reading raises it.
    """

    source: str
    lines: Sequence[str | bytes]
    torn: bool = False
    name: str = ""
    fault: str | None = None

    def header(self, kind: type[T]) -> T:
        """The first line, as an object of `kind`.

        Raises:
            StoreError: the line cannot be read.
        """
        if self.fault is not None:
            raise StoreError(self.fault)
        return codec.read(kind, self.lines[0] if self.lines else b"", f"{self.source} line 1", is_stored=True)

    @property
    def first(self) -> str | None:
        """The first line as it was written; None where there is none."""
        line = self.lines[0] if self.lines else None
        return line.decode("utf-8", "replace") if isinstance(line, bytes) else line

    def parsed(self, kind: type[T], start: int = 1, stop: int | None = None) -> list[T]:
        """The lines from `start` to before `stop`, counted from 0, as objects of `kind`.

        Raises:
            StoreError: a line cannot be read.
        """
        chosen = enumerate(self.lines[start:stop], start=start + 1)
        return [codec.read(kind, line, f"{self.source} line {number}", is_stored=True) for number, line in chosen]


class Archive(Protocol):
    """Keeps runs, which grow line by line, and places, which are replaced whole; made by the first write.

    A line is on disk when the method that writes it returns. Every method raises StoreError where it cannot do its
    work, and StoreUnreachableError where another time it could.
    """

    @property
    def name(self) -> str:
        """Its name in a sentence; never with a password."""

    def begin(self, run_id: str, header: str) -> bool:
        """Keep the header of a new run; False where the run is there already."""

    def append(self, run_id: str, records: Mapping[str, str]) -> int:
        """Add lines by record id to a run that was begun; those that are there are passed over. How many were new."""

    def run_ids(self) -> list[str]:
        """The runs, by id."""

    def run_headers(self) -> list[Lines]:
        """The header of every run, a line each; of what is no file of a run, its fault."""

    def read_run(self, run_id: str) -> Lines | None:
        """Header and records in the order in which they were added; None where there is no such run."""

    def places(self, kind: Kind) -> list[Place]:
        """All places of a kind, in order."""

    def headers(self, kind: Kind) -> list[Lines]:
        """The first line of every place of a kind, in order, or its fault."""

    def read(self, place: Place) -> Lines | None:
        """All lines of a place; None where there is nothing."""

    def write(self, place: Place, lines: Sequence[str]) -> None:
        """Replace a place whole, or leave it as it was."""

    def remove(self, place: Place) -> None:
        """Forget a place, if it is there."""

    def replace(self, documents: Mapping[Place, Sequence[str]], expected: Mapping[Place, str | None]) -> bool:
        """Replace several places, where the first lines of these are still as expected (None: no such place).

        False where another process was first; then all is as it was. Called under the lock of the places.
        """

    def where(self, place: Place) -> str:
        """The name of a document in a sentence."""

    @property
    def claims(self) -> Claims:
        """Where the locks of this archive are kept."""


def lock_name(place: Place) -> str:
    """The name of the lock of a place; a baseline and its anchor have one."""
    kind = "baseline" if place.kind == "anchor" else place.kind
    return "-".join(part for part in (kind, place.hardware_key, place.name) if part)


def is_name(text: str) -> bool:
    """Whether this can name a run, a baseline or a distribution: every store can be copied to files."""
    return _NAME.fullmatch(text) is not None


def checked(name: str, what: str) -> str:
    """The name.

    Raises:
        StoreError: it is no file name.
    """
    if not is_name(name):
        raise StoreError(f"{what} {name!r} is no file name; use letters, digits, '.', '_' and '-' only")
    return name


def checked_place(place: Place) -> Place:
    """The place.

    Raises:
        StoreError: its name or its hardware key is no file name, or names the file of an anchor.
    """
    if place.kind in OF_NO_HARDWARE:
        checked(place.name, f"{place.kind} name")
        return place
    if place.name.endswith(ANCHOR):
        raise StoreError(f"baseline name {place.name!r} ends in {ANCHOR!r}, as the files of anchors do; choose another")
    checked(place.hardware_key, "hardware key")
    checked(place.name, "baseline name" if place.kind in ("baseline", "anchor") else f"name of a {place.kind} document")
    return place
