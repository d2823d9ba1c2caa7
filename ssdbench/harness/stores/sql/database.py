"""A database: its transactions, the version of its tables, and its errors as sentences without a password.

SQLite is one file for the processes of one machine. It runs with a write-ahead log, so that readers and a writer do not
wait for each other, and every transaction that writes begins as one (BEGIN IMMEDIATE): begun as a reader, it would fail
at its first write if another process had written in between, whatever the time it may wait.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from ssdbench.errors import StoreError, StoreUnreachableError
from ssdbench.harness.stores.sql import versions
from ssdbench.harness.stores.sql.address import shown

_WAIT_SECONDS = 60
# A host that vanished answers nothing at all: without these limits a runner would wait for it for hours.
_POSTGRESQL_LIMITS = {"connect_timeout": 10, "tcp_user_timeout": 30_000}


class Database:
    """The database at a URL; one connection is kept, and made anew where the server has dropped it."""

    def __init__(self, url: URL) -> None:
        self.name = shown(url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._file = Path(url.database or "") if self.is_sqlite else None
        options = [str(value) for name, value in url.query.items() if "password" in name]
        self._secrets = [secret for secret in (url.password, *options) if secret]
        limits = {} if self.is_sqlite else {name: n for name, n in _POSTGRESQL_LIMITS.items() if name not in url.query}
        self._engine = create_engine(url, connect_args=limits, pool_size=1, max_overflow=0, pool_pre_ping=True)
        weakref.finalize(self, self._engine.dispose)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        # The row count shows whether a row already existed, and not every driver keeps it unless asked.
        self._writer = self._engine.execution_options(writes=True, preserve_rowcount=True)
        self._is_current = False

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """A transaction that reads; None where nothing was written to the database yet.

        Raises:
            StoreUnreachableError: the database cannot be used now.
            StoreError: its tables are of another version, or it is broken.
        """
        if self._file is not None and not self._file.exists():
            yield None
            return
        with self._sentences(), self._engine.begin() as connection:
            yield connection if self._is_current or self._is_there(connection) else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, on disk at its end; makes the tables where the database is empty.

        Raises:
            StoreUnreachableError, StoreError: as `reading`.
        """
        with self._sentences(), self._writer.begin() as connection:
            if not self._is_current and not self._is_there(connection):
                versions.migrate_to_current(connection)
            yield connection
        self._is_current = True

    def migrate(self) -> str:
        """Migrate the tables to the version of this program; returns a sentence about what was done."""
        with self._sentences(), self._writer.begin() as connection:
            return versions.migrate(connection, self.name)

    def _is_there(self, connection: Connection) -> bool:
        found = versions.version_of(connection, self.name)
        if found is not None:
            versions.refuse_other(found, self.name)
            self._is_current = True
        return found is not None

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise StoreUnreachableError(
                f"{self.name}: cannot be used now ({self._reason(error)}); check the URL and that the database runs"
            ) from None
        except SQLAlchemyError as error:
            raise StoreError(f"{self.name}: {self._reason(error)}; check or restore the database") from None

    def _reason(self, error: SQLAlchemyError) -> str:
        # Without the statement and its values, which SQLAlchemy adds.
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return reason


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own handling of transactions is switched off: `_begin_sqlite` says how each begins.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {1000 * _WAIT_SECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
