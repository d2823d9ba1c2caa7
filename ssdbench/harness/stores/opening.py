"""Which store is meant: a folder of files, or a database by its URL, with a spool for when it is out of reach."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ssdbench.errors import EnvironmentLacksError, StoreError, UsageError
from ssdbench.harness.stores.archive import Archive
from ssdbench.harness.stores.files import FileArchive, FileStore
from ssdbench.harness.stores.spool import Spool, SpoolingStore
from ssdbench.harness.stores.store import Store
from ssdbench.harness.waivers import FILE_NAME

if TYPE_CHECKING:
    from ssdbench.harness.stores.sql.archive import SqlArchive

VARIABLE = "SSDBENCH_STORE"
"""Names the store where no option does."""

RESULTS_VARIABLE = "SSDBENCH_RESULTS"
"""Names the folder of records and baselines where no option does."""

SECRETS = (VARIABLE, "PGPASSWORD")
"""Variables that may hold a password: workers do not inherit them."""

_FROM_ENVIRONMENT = "env:"
_SQLITE = "sqlite:///"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+]+:")


def open_store(results: Path, url: str | None, say: Callable[[str], None], waivers: Path | None = None) -> Store:
    """The store of `url`, else of the environment, else the files in `results`; nothing is created yet.

    If the database can be reached, what the spool in `results` kept for it is sent now. `say` is called with a sentence
    about that, and about everything that goes into the spool later. `waivers` is the file of waivers, which must be
    there; None: waivers.toml in the folder of the store, or in `results` where the store is a database.

    Raises:
        UsageError: there is no such file of waivers.
        StoreError: the URL is none that can be used, or the database is of another schema version.
        EnvironmentLacksError: the packages for databases are missing.
    """
    place = store_place(results, url)
    if waivers is not None and not waivers.exists():
        raise UsageError(f"{waivers}: no such file of waivers; correct --waivers, or omit it")
    if not _SCHEME.match(place):
        store: Store = FileStore(Path(place), say)
    else:
        archive = open_database(place)
        store = spooling = SpoolingStore(archive, spool_of(results, archive), say, results / FILE_NAME)
        spooling.deliver()
    store.waivers_file = waivers or store.waivers_file
    return store


def results_folder() -> Path:
    """The folder of records and baselines where no option names one."""
    return Path(os.environ.get(RESULTS_VARIABLE) or "results")


def store_place(results: Path, url: str | None) -> str:
    """The URL or the folder that is meant."""
    return url or os.environ.get(VARIABLE) or str(results)


def open_archive(place: str, *, must_exist: bool = False) -> Archive:
    """The archive at a URL, or the files in a folder; `env:NAME`: what that variable names. Errors as `open_store`.

    A server answers for itself whether it has a database; folders and files that are not there would be empty archives.
    """
    if place.startswith(_FROM_ENVIRONMENT):
        place = _of_environment(place.removeprefix(_FROM_ENVIRONMENT))
    on_disk = place.removeprefix(_SQLITE).partition("?")[0]
    if must_exist and (place.startswith(_SQLITE) or not _SCHEME.match(place)) and not Path(on_disk).exists():
        raise StoreError(f"{place} does not exist: name the folder or the database that has the records")
    return open_database(place) if _SCHEME.match(place) else FileArchive(Path(place))


def _of_environment(name: str) -> str:
    if not os.environ.get(name):
        raise UsageError(f"{_FROM_ENVIRONMENT}{name}: the variable {name} is not set: have it name a store")
    return os.environ[name]


def open_database(url: str) -> SqlArchive:
    """The archive in the database at a URL; errors as `open_store`."""
    try:
        # Imported here: a store of files needs no such package.
        from ssdbench.harness.stores.sql.archive import SqlArchive

        return SqlArchive(url)
    except ImportError as error:
        raise EnvironmentLacksError(
            f"a store in a database needs packages that are missing ({error}): pip install 'ssdbench[sql]'"
        ) from error


def spool_of(results: Path, archive: Archive) -> Spool:
    """Where runners that measure into this folder keep what this archive could not take."""
    return Spool(results / "spool" / re.sub(r"[^A-Za-z0-9.]+", "-", archive.name))
