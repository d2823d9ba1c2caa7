"""`ssdbench store`: send spooled records, copy and check stores, migrate a database."""

from typing import Annotated

import typer

from ssdbench.cli.help import STORING, VerbApp, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, open_store
from ssdbench.cli.printing import print_data
from ssdbench.cli.streams import print_text
from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.stores import checking
from ssdbench.harness.stores.opening import VARIABLE, open_archive, open_database, spool_of, store_place
from ssdbench.harness.stores.secrets import stored_secrets
from ssdbench.harness.stores.sync import Copied, sync_runs
from ssdbench.harness.stores.sync import sync as copy
from ssdbench.schema.text import pluralize

app = VerbApp("Copy, check and migrate stores of records and baselines: files, SQLite, PostgreSQL.")

_PLACE = "sqlite:///FILE, postgresql://USER@HOST/DATABASE, a folder, or env:VARIABLE to read it from there."
# What most stores have none of is not counted aloud.
_OFTEN_NONE = ("nightly result", "alert state", "manifest", "profile")


@app.command()
def send(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None) -> None:
    """Send the records that were kept in RESULTS/spool while the store was unreachable.

    Every command that writes to the store does this first. Exit code 8 if the store is still unreachable.
    """
    place = store_place(results, store_url)
    if place == str(results):
        raise UsageError(f"name the store to send to: --store URL, or {VARIABLE} in the environment")
    archive = open_archive(place)
    spool = spool_of(results, archive)
    if spool.is_empty():
        print_text(f"nothing to send in {spool.folder}")
        return
    sent = spool.send(archive)
    print_text(f"sent: {pluralize(sent.records, 'record')} of {pluralize(sent.runs, 'run')} to {archive.name}")
    if sent.left:
        raise StoreError("; ".join(sent.left))


@app.command()
def sync(
    source: Annotated[str, argument(f"Store to copy from: {_PLACE}", "SRC")],
    target: Annotated[str, argument("Store to copy to.", "DST")],
    both: Annotated[bool, option("Then copy to SRC what it lacks.", "--both", panel=STORING)] = False,
    keep_newer: Annotated[
        bool, option("Of baselines that differ, keep the one accepted later.", "--keep-newer", panel=STORING)
    ] = False,
    run: Annotated[
        list[str] | None,
        option(
            "Only this run (its id, the beginning of it, or latest); may be repeated.", metavar="RUN", panel=STORING
        ),
    ] = None,
) -> None:
    """Copy runs, records, baselines, anchors and distributions that DST lacks, byte for byte.

    Entries of the same name must be equal; those that differ stay as they are, and the exit code is 2. Nothing is
    removed.
    """
    here, there = open_archive(source, must_exist=not both), open_archive(target)
    if run:
        if both or keep_newer:
            raise UsageError("--run copies only runs, from SRC to DST: omit --both and --keep-newer")
        _say(sync_runs(here, there, run), there.name)
        return
    _say(copy(here, there, keep_newer=keep_newer), there.name)
    if both:
        _say(copy(there, here, keep_newer=keep_newer), here.name)


@app.command()
def check(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None, as_json: Json = False) -> None:
    """Read everything in a store; report what cannot be read, or holds a secret, with exit code 2."""
    store = open_store(results, store_url)
    found = checking.check(store)
    wrong = (*found.faults, *stored_secrets(store.archive))
    counts = {"run": found.runs, "baseline": found.baselines, "distribution": found.distributions}
    counts |= {"nightly result": found.nightly_results, "alert state": found.alerts}
    counts |= {"manifest": found.manifests, "profile": found.profiles}
    if as_json:
        more = {"lines_without_checksum": found.unsealed, "faults": list(wrong)}
        print_data({"store": store.name, **{f"{what}s".replace(" ", "_"): n for what, n in counts.items()}, **more})
        raise typer.Exit(ExitCode.USAGE if wrong else ExitCode.OK)
    held = [pluralize(n, what) for what, n in counts.items() if n or what not in _OFTEN_NONE]
    print_text(f"{store.name}: {', '.join(held)}{'' if wrong else '; all readable'}")
    if found.unsealed:
        print_text(f"{pluralize(found.unsealed, 'line')} without a checksum, of ssdbench 0.2 or earlier")
    if wrong:
        print_text("\n".join(wrong))
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def migrate(url: Annotated[str, argument("sqlite:///FILE or postgresql://USER@HOST/DATABASE.", "URL")]) -> None:
    """Migrate a database to the schema of this version of ssdbench, creating the tables if there are none.

    Older versions of ssdbench refuse the database afterwards, so update all runners first.
    """
    archive = open_database(url)
    print_text(f"{archive.name}: {archive.migrate()}")


def _say(copied: Copied, name: str) -> None:
    new = {"run": copied.runs, "record": copied.records, "baseline": copied.baselines}
    new |= {
        "distribution": copied.distributions,
        "nightly result": copied.nightly_results,
        "alert state": copied.alerts,
        "manifest": copied.manifests,
        "profile": copied.profiles,
    }
    counts = [pluralize(number, what) for what, number in new.items() if number or what not in _OFTEN_NONE]
    print_text(f"copied to {name}: {', '.join(counts)}")
    for place in copied.replaced:
        print_text(f"replaced by a later acceptance: {place}")
