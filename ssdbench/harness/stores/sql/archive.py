"""The archive in a database; see `Archive`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Kind, Lines, Place
from ssdbench.harness.stores.sql.address import address
from ssdbench.harness.stores.sql.claims import SqlClaims
from ssdbench.harness.stores.sql.database import Database
from ssdbench.harness.stores.sql.schema import PLACES, RECORDS, RUNS
from ssdbench.schema.record import RunHeader


class SqlArchive:
    """The archive in the database at a URL.

    Raises:
        UsageError: the URL is none of a database that can be used.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(address(url))
        self._claims = SqlClaims(self._database)
        self._insert = sqlite.insert if self._database.is_sqlite else postgresql.insert

    @property
    def name(self) -> str:
        return self._database.name

    def begin(self, run_id: str, header: str) -> bool:
        created_at = codec.read(RunHeader, header, f"header of run {run_id}").created_at
        row = {"run_id": run_id, "created_at": created_at, "header": header}
        with self._database.writing() as connection:
            return connection.execute(self._insert(RUNS).on_conflict_do_nothing(), row).rowcount == 1

    def append(self, run_id: str, records: Mapping[str, str]) -> int:
        rows = [{"id": record_id, "run_id": run_id, "document": line} for record_id, line in records.items()]
        known = select(RUNS.c.run_id).where(RUNS.c.run_id == run_id)
        with self._database.writing() as connection:
            if connection.execute(known).first() is None:
                raise StoreError(f"{self.name}: no run {run_id}; begin it before its records are added")
            # Row by row in the order of arrival; sent again after an answer that was lost, a row changes nothing.
            adding = self._insert(RECORDS).on_conflict_do_nothing(index_elements=[RECORDS.c.id])
            return sum(connection.execute(adding, row).rowcount for row in rows)

    def run_ids(self) -> list[str]:
        return sorted(row.run_id for row in self._rows(select(RUNS.c.run_id)))

    def run_headers(self) -> list[Lines]:
        rows = self._rows(select(RUNS.c.run_id, RUNS.c.header))
        return [Lines(source=self._run(row.run_id), lines=[_line(row.header)], name=row.run_id) for row in rows]

    def read_run(self, run_id: str) -> Lines | None:
        headers = self._rows(select(RUNS.c.header).where(RUNS.c.run_id == run_id))
        if not headers:
            return None
        records = select(RECORDS.c.document).where(RECORDS.c.run_id == run_id).order_by(RECORDS.c.number)
        lines = [_line(headers[0].header), *(_line(row.document) for row in self._rows(records))]
        return Lines(source=self._run(run_id), lines=lines, name=run_id)

    def places(self, kind: Kind) -> list[Place]:
        rows = self._rows(select(PLACES.c.hardware_key, PLACES.c.name).where(PLACES.c.kind == kind))
        return sorted(Place(kind=kind, hardware_key=row.hardware_key, name=row.name) for row in rows)

    def headers(self, kind: Kind) -> list[Lines]:
        rows = self._rows(select(PLACES).where(PLACES.c.kind == kind))
        found = {Place(kind=kind, hardware_key=row.hardware_key, name=row.name): row.header for row in rows}
        return [Lines(source=self.where(place), lines=[found[place]]) for place in sorted(found)]

    def read(self, place: Place) -> Lines | None:
        rows = self._rows(select(PLACES.c.header, PLACES.c.body).where(_is(place)))
        if not rows:
            return None
        body = _line(rows[0].body)
        following = body.split(b"\n" if isinstance(body, bytes) else "\n") if body else []  # type: ignore[arg-type]
        return Lines(source=self.where(place), lines=[_line(rows[0].header), *following])

    def write(self, place: Place, lines: Sequence[str]) -> None:
        with self._database.writing() as connection:
            self._put(connection, place, lines)

    def _put(self, connection: Connection, place: Place, lines: Sequence[str]) -> None:
        content = {"header": lines[0], "body": "\n".join(lines[1:])}
        key = {"kind": place.kind, "hardware_key": place.hardware_key, "name": place.name}
        replacing = self._insert(PLACES).on_conflict_do_update(index_elements=list(key), set_=content)
        connection.execute(replacing, key | content)

    def replace(self, documents: Mapping[Place, Sequence[str]], expected: Mapping[Place, str | None]) -> bool:
        with self._database.writing() as connection:
            if not self._database.is_sqlite:  # where a transaction that writes is alone
                connection.execute(text("LOCK TABLE ssdbench_places IN SHARE ROW EXCLUSIVE MODE"))
            for place, header in expected.items():
                if connection.scalar(select(PLACES.c.header).where(_is(place))) != header:
                    return False
            for place, lines in documents.items():
                self._put(connection, place, lines)
        return True

    def remove(self, place: Place) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(PLACES).where(_is(place)))

    @property
    def claims(self) -> SqlClaims:
        return self._claims

    def where(self, place: Place) -> str:
        of_hardware = f" of {place.hardware_key}" if place.hardware_key else ""
        return f"{self.name} {place.kind} {place.name}{of_hardware}"

    def migrate(self) -> str:
        """Migrate the tables to the version of this program; returns a sentence about what was done.

        Raises:
            StoreError: they are of a newer version.
        """
        return self._database.migrate()

    def _run(self, run_id: str) -> str:
        return f"{self.name} run {run_id}"

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.reading() as connection:
            return connection.execute(query).all() if connection is not None else []


def _line(value: object) -> str | bytes:
    """What stands in a cell: SQLite keeps whatever a foreign program wrote there, blobs and numbers as well."""
    return value if isinstance(value, (str, bytes)) else str(value)


def _is(place: Place) -> ColumnElement[bool]:
    return and_(PLACES.c.kind == place.kind, PLACES.c.hardware_key == place.hardware_key, PLACES.c.name == place.name)
