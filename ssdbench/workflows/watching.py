"""Gathers what `ssdbench watch` looks at: results of regular runs, headers, waivers, and what waits to be sent."""

from datetime import datetime, timezone
from pathlib import Path

from ssdbench.analysis.watch import Watched, health_of
from ssdbench.errors import StoreError
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.spool import spools_in
from ssdbench.harness.stores.store import Store
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.alert import Alerts
from ssdbench.schema.watch import Health, Limits, Waiting
from ssdbench.workflows.display import Say


def look_at(
    store: Store,
    results: Path,
    limits: Limits,
    say: Say,
    *,
    suite: str | None = None,
    hardware: str = "",
    now: datetime | None = None,
) -> Health:
    """The health of the regular runs of a store.

    Args:
        store: where the runs are.
        results: the folder whose spool is looked into.
        limits: what needs attention once it is exceeded.
        say: hears of what cannot be read and is passed over.
        suite: only this suite; None: all.
        hardware: only hardware with this in its key.
        now: the moment; None: this one.

    Raises:
        StoreUnreachableError: the store does not answer.
        UsageError: the file of waivers has a mistake.
    """
    found = NightlyResults(store.archive, say).all(suite=suite)
    spools = [(spool.folder, spool.waiting()) for spool in spools_in(results)]
    watched = Watched(
        store=store.name,
        results=[result for result in found if hardware in result.hardware_key],
        headers=store.headers(),
        waivers=read_waivers(store.waivers_file),
        alerts=_waiting_messages(store, hardware, say),
        records=[Waiting(place=str(folder), count=count) for folder, count in spools if count],
    )
    return health_of(watched, limits, now or datetime.now(timezone.utc))


def _waiting_messages(store: Store, hardware: str, say: Say) -> list[Waiting]:
    """The messages about alerts that could not be delivered, by hardware; a line that cannot be read is passed over."""
    found = []
    for lines in store.archive.headers("alert"):
        try:
            alerts = lines.header(Alerts)
        except StoreError as error:
            say(f"{error} (passed over)")
            continue
        if alerts.messages and hardware in alerts.hardware_key:
            found.append(Waiting(place=f"alerts of {alerts.hardware_key}", count=len(alerts.messages)))
    return found
