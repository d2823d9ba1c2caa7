"""Version of a database's tables, and how they are migrated to that of this program (Alembic, `migrations/`).

The first write creates the tables of an empty database. Only `ssdbench store migrate` migrates older tables: they are
shared, and the migration locks out older programs. Newer tables are refused.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ssdbench.errors import StoreError
from ssdbench.harness.stores.sql.schema import RUNS, VERSION, VERSION_TABLE

MIGRATIONS = Path(__file__).parent / "migrations"
# Held to the end of the transaction: of processes that find an empty database at once, one makes the tables.
_LOCK = text("SELECT pg_advisory_xact_lock(7303001)")


def version_of(connection: Connection, name: str) -> str | None:
    """The version of the tables; None where there are none.

    Raises:
        StoreError: there are tables whose version is not there, or none.
    """
    tables = inspect(connection)
    if not tables.has_table(VERSION_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    if found is None and not tables.has_table(RUNS.name):
        return None
    if not str(found).isdecimal():
        raise StoreError(
            f"{name}: its table {VERSION_TABLE} should say the version of the others, and says "
            f"{'nothing' if found is None else repr(found)}; restore the database from a backup"
        )
    return str(found)


def migrate(connection: Connection, name: str) -> str:
    """Raise tables of any older version; returns a sentence about what was done.

    Raises:
        StoreError: they were made by a newer program.
    """
    found = version_of(connection, name)
    if found == VERSION:
        return f"its tables are of version {found} already"
    if found is not None:
        _refuse_newer(found, name)
    migrate_to_current(connection)
    return f"its tables were {f'migrated from version {found}' if found else 'created'}, now version {VERSION}"


def _refuse_newer(found: str, name: str) -> None:
    if int(found) > int(VERSION):
        raise StoreError(
            f"{name}: its tables are of version {found}, made by a newer ssdbench, this one knows up to {VERSION}; "
            "update ssdbench"
        )


def refuse_other(found: str, name: str) -> None:
    """Raises StoreError where the tables are not of the version of this program."""
    _refuse_newer(found, name)
    if found != VERSION:
        raise StoreError(
            f"{name}: its tables are of version {found}, this ssdbench needs {VERSION}; raise them once with "
            "`ssdbench store migrate`"
        )


def migrate_to_current(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of the connection."""
    # Imported here: only an empty or an old database needs it.
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, VERSION)
