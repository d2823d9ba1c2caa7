"""Which store is meant: a folder of files, or a database by its URL, with a spool for when it is out of reach."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.stores.archive import Archive
from ssdbench.harness.stores.files import FileArchive, FileStore
from ssdbench.harness.stores.spool import Spool, SpoolingStore
from ssdbench.harness.stores.store import Store

VARIABLE = "SSDBENCH_STORE"
"""Names the store where no option does. It may hold a password: workers do not inherit it."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+]+:")


def open_store(results: Path, url: str | None, say: Callable[[str], None]) -> Store:
    """The store of `url`, else of the environment, else the files in `results`; nothing is created yet.

    What the spool in `results` kept for a database is sent to it now, where it can be reached; `say` is told of that,
    and of everything that goes into the spool later.

    Raises:
        StoreError: the URL is none that can be used, or the database is of another schema version.
        EnvironmentLacksError: the packages for databases are missing.
    """
    wanted = url or os.environ.get(VARIABLE)
    if not wanted:
        return FileStore(results)
    if not _SCHEME.match(wanted):
        return FileStore(Path(wanted))
    store = SpoolingStore(open_archive(wanted), spool_of(results), say)
    store.deliver()
    return store


def open_archive(place: str) -> Archive:
    """The archive at a URL, or the files in a folder; errors as `open_store`."""
    if not _SCHEME.match(place):
        return FileArchive(Path(place))
    try:
        from ssdbench.harness.stores.sql.archive import SqlArchive

        return SqlArchive(place)
    except ImportError as error:
        raise EnvironmentLacksError(
            f"a store in a database needs packages that are missing ({error}): pip install 'ssdbench[sql]'"
        ) from error


def spool_of(results: Path) -> Spool:
    """Where runners that measure into this folder keep what their store could not take."""
    return Spool(results / "spool")
