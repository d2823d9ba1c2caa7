"""Claims as rows among the places, of a kind that nothing else reads; see `ssdbench.harness.stores.locks`."""

from sqlalchemy import ColumnElement, and_, delete, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ssdbench.harness.stores.sql.database import Database
from ssdbench.harness.stores.sql.schema import PLACES

_KIND = "lock"


class SqlClaims:
    """The claims in a database; errors as those of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert
        seconds = "strftime('%s', 'now')" if database.is_sqlite else "extract(epoch from clock_timestamp())"
        self._now: ColumnElement[str] = literal_column(f"CAST({seconds} AS VARCHAR)")

    @property
    def name(self) -> str:
        return self._database.name

    def claim(self, name: str, text: str) -> bool:
        row = {"kind": _KIND, "hardware_key": "", "name": name, "header": text, "body": self._now}
        with self._database.writing() as connection:
            return connection.execute(self._insert(PLACES).values(row).on_conflict_do_nothing()).rowcount == 1

    def find(self, name: str) -> str | None:
        with self._database.reading() as connection:
            return connection.scalar(select(PLACES.c.header).where(_is(name))) if connection is not None else None

    def age_seconds(self, name: str) -> float:
        with self._database.reading() as connection:
            if connection is None:
                return 0.0
            row = connection.execute(select(PLACES.c.body, self._now.label("now")).where(_is(name))).first()
        return float(row.now) - float(row.body) if row is not None else 0.0

    def renew(self, name: str, text: str) -> bool:
        renewed = update(PLACES).where(_is(name), PLACES.c.header == text).values(body=self._now)
        with self._database.writing() as connection:
            return connection.execute(renewed).rowcount == 1

    def remove(self, name: str, text: str) -> bool:
        with self._database.writing() as connection:
            return connection.execute(delete(PLACES).where(_is(name), PLACES.c.header == text)).rowcount == 1


def _is(name: str) -> ColumnElement[bool]:
    return and_(PLACES.c.kind == _KIND, PLACES.c.hardware_key == "", PLACES.c.name == name)
