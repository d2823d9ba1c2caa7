"""Many writers at once; benchmarks/stores.py has the same in earnest, 8 processes of 10,000 records."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.stores import crash, hammer
from tests.databases import PostgresqlServer


def test_many_writers_at_once_lose_and_double_nothing_in_sqlite(new_place: Callable[[str], str], tmp_path: Path):
    done = hammer(new_place("sqlite"), tmp_path, writers=8, records=100)
    assert (done.arrived, done.lost, done.double, done.spooled) == (800, 0, 0, 0)


@pytest.mark.postgresql
@pytest.mark.long
def test_a_server_killed_among_many_writers_loses_and_doubles_nothing(postgresql: PostgresqlServer, tmp_path: Path):
    done = hammer(postgresql.new_place(), tmp_path, writers=8, records=200, interrupt=lambda: crash(postgresql))
    assert (done.arrived, done.lost, done.double) == (1600, 0, 0)
    assert done.spooled > 0
