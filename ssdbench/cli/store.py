"""`ssdbench store`: send what was kept, copy stores, check them, and raise the tables of a database."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeVar

import typer

from ssdbench.cli.options import DEFAULT_RESULTS, Results, StoreUrl, open_store
from ssdbench.errors import ExitCode, StoreError, StoreUnreachableError, UsageError
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.opening import VARIABLE, open_archive, open_database, spool_of, store_place
from ssdbench.harness.stores.sync import Copied, sync_runs
from ssdbench.harness.stores.sync import sync as copy
from ssdbench.schema.text import pluralize

app = typer.Typer(
    help="Stores of records and baselines: files, SQLite, PostgreSQL (docs/stores.md).", no_args_is_help=True
)

T = TypeVar("T")

_PLACE = "sqlite:///FILE, postgresql://USER@HOST/DATABASE, a folder, or env:NAME for what a variable names."


@app.command()
def send(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None) -> None:
    """Send the records that a runner kept in RESULTS/spool while this store was out of reach.

    Every command that writes to the store does so first. Exit code 8 where the store still is out of reach.
    """
    place = store_place(results, store_url)
    if place == str(results):
        raise UsageError(f"name the store that the records are for: --store URL, or {VARIABLE} in the environment")
    archive = open_archive(place)
    spool = spool_of(results, archive)
    if spool.is_empty():
        print(f"nothing is kept in {spool.folder}")
        return
    sent = spool.send(archive)
    print(f"sent: {pluralize(sent.records, 'record')} of {pluralize(sent.runs, 'run')} to {archive.name}")
    if sent.left:
        raise StoreError("; ".join(sent.left))


@app.command()
def sync(
    source: Annotated[str, typer.Argument(metavar="SRC", help=f"Where to copy from: {_PLACE}")],
    target: Annotated[str, typer.Argument(metavar="DST", help="Where to copy to.")],
    both: Annotated[bool, typer.Option("--both", help="Then copy back what SRC lacks.")] = False,
    keep_newer: Annotated[
        bool, typer.Option("--keep-newer", help="Of baselines that differ keep the one accepted later.")
    ] = False,
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Only this run (its id, a beginning of it, or latest); may be repeated."),
    ] = None,
) -> None:
    """Copy runs, records, baselines, anchors and distributions that DST lacks, byte for byte.

    What both have under one name must be equal, else nothing of it is changed, and the exit code is 2. Nothing is
    removed.
    """
    here, there = open_archive(source, must_exist=not both), open_archive(target)
    if run:
        if both or keep_newer:
            raise UsageError("--run copies runs alone, from SRC to DST: leave out --both and --keep-newer")
        _say(sync_runs(here, there, run), there.name)
        return
    _say(copy(here, there, keep_newer=keep_newer), there.name)
    if both:
        _say(copy(there, here, keep_newer=keep_newer), here.name)


@app.command()
def check(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None) -> None:
    """Read all that a store holds; what cannot be read is told, and the exit code is 2."""
    store = open_store(results, store_url)
    distributions = DistributionStore(store.archive)
    runs, places = store.archive.run_ids(), store.baseline_places()
    names = [place.name for place in store.archive.places("distribution")]
    wrong = [
        *_faults(store.load, runs),
        *_faults(lambda place: (store.load_anchor(*place), store.load_baseline(*place)), places),
        *_faults(distributions.load, names),
    ]
    held = [pluralize(len(runs), "run"), pluralize(len(places), "baseline"), pluralize(len(names), "distribution")]
    print(f"{store.name}: {', '.join(held)}{'' if wrong else '; all can be read'}")
    if wrong:
        print("\n".join(wrong))
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def migrate(url: Annotated[str, typer.Argument(help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")]) -> None:
    """Raise the tables of a database to the version of this ssdbench; make them where there are none.

    Older versions of ssdbench refuse the database from then on, so update its runners first.
    """
    archive = open_database(url)
    print(f"{archive.name}: {archive.migrate()}")


def _faults(read: Callable[[T], object], names: Iterable[T]) -> Iterator[str]:
    for name in names:
        try:
            read(name)
        except StoreUnreachableError:
            raise
        except StoreError as error:
            yield str(error)


def _say(copied: Copied, name: str) -> None:
    new = {"run": copied.runs, "record": copied.records, "baseline": copied.baselines}
    counts = [pluralize(number, what) for what, number in (new | {"distribution": copied.distributions}).items()]
    print(f"copied to {name}: {', '.join(counts)}")
    for place in copied.replaced:
        print(f"replaced by a later acceptance: {place}")
