"""The alerts of each hardware in any archive: one line each, replaced whole, changed by one process at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Place, checked_place, lock_name
from ssdbench.harness.stores.locks import WAIT_SECONDS, Lock
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.alert import Alerts

_NAME = "alerts"


def load_alerts(archive: Archive, hardware_key: str) -> Alerts:
    """The alerts of this hardware; none where nothing is stored.

    Raises:
        StoreError: the line cannot be read.
    """
    lines = archive.read(_place(hardware_key))
    if lines is None:
        return Alerts(schema_version=SCHEMA_VERSION, hardware_key=hardware_key, updated_at="")
    return lines.header(Alerts)


def open_cases(archive: Archive, hardware_key: str) -> frozenset[str]:
    """The keys of the cases whose alert is open; errors as `load_alerts`."""
    return frozenset(alert.found.case_key for alert in load_alerts(archive, hardware_key).alerts if alert.is_open)


class AlertStore:
    """The alerts of one hardware while this process alone may change them."""

    def __init__(self, archive: Archive, hardware_key: str) -> None:
        self._archive = archive
        self._place = _place(hardware_key)
        lines = archive.read(self._place)
        self._first = lines.first if lines is not None else None
        self.alerts = load_alerts(archive, hardware_key)

    def save(self, alerts: Alerts) -> None:
        """Keep these; they are on disk when this returns.

        Raises:
            StoreError: the archive cannot be written, or has been changed by another process.
        """
        if alerts == self.alerts:
            return
        dated = replace(alerts, updated_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
        line = codec.stored(dated)
        if not self._archive.replace({self._place: [line]}, {self._place: self._first}):
            raise StoreError(f"{self._archive.where(self._place)}: it was replaced meanwhile; repeat this command")
        self._first, self.alerts = line, dated


@contextmanager
def changing_alerts(
    archive: Archive, hardware_key: str, say: Callable[[str], None], *, wait_seconds: float = WAIT_SECONDS
) -> Iterator[AlertStore]:
    """The alerts of one hardware, for this process alone until the block ends.

    Raises:
        StoreLockedError: another process has them for longer than `wait_seconds`.
        StoreError: they cannot be read.
    """
    lock = Lock(archive.claims, lock_name(_place(hardware_key)), "telling people about a run", say=say)
    lock.acquire(wait_seconds, renew=True)
    try:
        yield AlertStore(archive, hardware_key)
    finally:
        lock.release()


def _place(hardware_key: str) -> Place:
    return checked_place(Place(kind="alert", hardware_key=hardware_key, name=_NAME))
