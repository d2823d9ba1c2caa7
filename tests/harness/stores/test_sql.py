"""What is a database's own: URLs and their passwords, versions of its tables, transactions, missing packages."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileArchive
from ssdbench.harness.stores.opening import open_archive, open_store
from ssdbench.harness.stores.sql import versions
from ssdbench.harness.stores.sql.archive import SqlArchive
from ssdbench.harness.stores.sql.schema import METADATA, VERSION
from ssdbench.harness.stores.store import Store
from tests.builders import a_header, a_run
from tests.databases import DATABASES, PASSWORD, PostgresqlServer


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("postgresql://me:hush@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgres://me:hush@host/db?sslmode=require", "postgresql://me@host/db"),
        ("postgresql+psycopg://me@/db?host=/run&password=hush", "postgresql://me@/db"),
    ],
)
def test_a_store_is_called_by_its_url_without_password_and_options(url: str, name: str):
    assert SqlArchive(url).name == name


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hush@host/db",
        "sqlite://x.db",
        "sqlite:x.db",
        "postgresql:me:hush@host/db",
        "postgresql://me:hush@host",
        "postgresql://me:hu@sh/hush@host/db",
        "postgresql://me:hush@host:port/db",
        "postgresql://",
    ],
)
def test_a_url_of_nothing_is_one_sentence_that_repeats_no_password(url: str, tmp_path: Path):
    with pytest.raises(UsageError, match=r"^--store .*(postgresql://USER)") as refused:
        open_store(tmp_path, url, pytest.fail)
    assert "hush" not in str(refused.value)


def test_without_the_packages_for_databases_the_remedy_is_named(tmp_path: Path):
    code = "import sys; sys.modules['sqlalchemy'] = None; from ssdbench.cli import main; main()"
    command = [sys.executable, "-c", code, "compare", "latest", "--store", f"sqlite:///{tmp_path / 'store.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "pip install 'ssdbench[sql]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.postgresql
@pytest.mark.parametrize("change", ["wrong-", "port"])
def test_a_server_that_refuses_is_told_without_the_password(postgresql: PostgresqlServer, change: str, tmp_path: Path):
    url = postgresql.new_place()
    url = url.replace(PASSWORD, change + PASSWORD) if change != "port" else url.replace(str(postgresql.port), "1")
    said: list[str] = []
    store = open_store(tmp_path, url, said.append)
    with pytest.raises(StoreError, match="cannot be used now") as refused:
        store.load("latest")
    store.begin(a_header())
    assert "kept in" in said[0]
    told = [str(refused.value), repr(refused.value), *said, next(tmp_path.rglob("run-1.jsonl")).read_text()]
    assert not [text for text in told if PASSWORD in text]


def test_reading_a_database_that_is_not_there_makes_none(tmp_path: Path):
    store = Store(open_archive(f"sqlite:///{tmp_path / 'store.db'}"))
    assert store.headers() == []
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path):
    (tmp_path / "store.db").write_text("no database at all\n" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Store(open_archive(f"sqlite:///{tmp_path / 'store.db'}")).headers()


def test_a_transaction_that_writes_begins_as_one_and_is_on_disk_at_its_end(tmp_path: Path):
    archive = open_archive(f"sqlite:///{tmp_path / 'store.db'}")
    Store(archive).begin(a_header())
    assert isinstance(archive, SqlArchive)
    database = archive._database
    with database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        other = sqlite3.connect(tmp_path / "store.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM ssdbench_runs").fetchone() == (1,), "a reader does not wait"
        other.close()


def test_the_migrations_end_in_the_tables_that_the_program_uses(tmp_path: Path):
    assert ScriptDirectory(str(versions.MIGRATIONS)).get_heads() == [VERSION]
    Store(open_archive(f"sqlite:///{tmp_path / 'migrated.db'}")).begin(a_header())
    found = []
    for name in ("migrated", "described"):
        engine = create_engine(f"sqlite:///{tmp_path / name}.db")
        if name == "described":
            METADATA.create_all(engine)
        tables = inspect(engine)
        found.append(
            {
                table: (
                    [(column["name"], str(column["type"]), column["nullable"]) for column in tables.get_columns(table)],
                    tables.get_pk_constraint(table)["constrained_columns"],
                    sorted(str(index["column_names"]) for index in tables.get_indexes(table)),
                    sorted(str(unique["column_names"]) for unique in tables.get_unique_constraints(table)),
                    [key["referred_table"] for key in tables.get_foreign_keys(table)],
                )
                for table in METADATA.tables
            }
        )
        engine.dispose()
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", DATABASES)
def test_tables_of_another_version_are_refused_until_they_are_migrated(
    kind: str, new_place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url, run = new_place(kind), a_run()
    assert open_database(url).migrate() == "its tables were created, now version 1"
    assert open_database(url).migrate() == "its tables are of version 1 already"
    store = Store(open_archive(url))
    store.begin(run.header)
    store.append(run.records[0])

    with monkeypatch.context() as newer:
        shutil.copytree(versions.MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "migrations/versions/v2_note.py").write_text(
            "import sqlalchemy as sa\n"
            "from alembic import op\n"
            "revision, down_revision = '2', '1'\n"
            "def upgrade():\n"
            "    op.add_column('ssdbench_runs', sa.Column('note', sa.Text))\n"
        )
        newer.setattr(versions, "MIGRATIONS", tmp_path / "migrations")
        newer.setattr(versions, "VERSION", "2")
        for use in (lambda: Store(open_archive(url)).headers(), lambda: Store(open_archive(url)).begin(run.header)):
            with pytest.raises(StoreError, match=r"of version 1, this ssdbench needs 2; .*`ssdbench store migrate`"):
                use()
        assert open_database(url).migrate() == "its tables were migrated from version 1, now version 2"
        assert Store(open_archive(url)).load("run-1").records == run.records[:1]

    with pytest.raises(StoreError, match="of version 2, made by a newer ssdbench, this one knows up to 1; update"):
        Store(open_archive(url)).headers()
    with pytest.raises(StoreError, match="update ssdbench"):
        open_database(url).migrate()


@pytest.mark.parametrize("kind", DATABASES)
def test_stored_lines_are_those_of_the_codec(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    places = [open_archive(new_place(kind)), FileArchive(tmp_path / "other")]
    run = a_run()
    for archive in places:
        header = Store(archive).begin(run.header)
        Store(archive).append(run.records[0])
        lines = archive.read_run("run-1")
        assert lines is not None
        texts = [line if isinstance(line, str) else line.decode() for line in lines.lines]
        assert texts == [codec.stored(header), codec.stored(run.records[0])]


def open_database(url: str) -> SqlArchive:
    archive = open_archive(url)
    assert isinstance(archive, SqlArchive)
    return archive
