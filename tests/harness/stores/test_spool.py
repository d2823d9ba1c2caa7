"""Runs whose store is out of reach, and comes back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssdbench.errors import StoreUnreachableError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.opening import open_archive, open_store, spool_of
from ssdbench.harness.stores.spool import Spool
from ssdbench.harness.stores.store import Store
from tests.builders import a_measurement, a_record, a_run
from tests.databases import PASSWORD, PostgresqlServer

RUN = a_run()


@pytest.fixture
def said() -> list[str]:
    return []


class Place:
    """A database whose folder is not there until it `comes_back`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "mounted", folder / "away"
        self._away.mkdir()
        self.url = f"sqlite:///{self._folder / 'store.db'}"

    def comes_back(self) -> None:
        self._away.rename(self._folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def opened(place: Place, tmp_path: Path, said: list[str]) -> Callable[[], Store]:
    return lambda: open_store(tmp_path / "results", place.url, said.append)


def spool(tmp_path: Path, url: str) -> Spool:
    return spool_of(tmp_path / "results", open_archive(url))


def spooled(tmp_path: Path, url: str) -> FileStore:
    """A spool has the form of the file store."""
    return FileStore(spool(tmp_path, url).folder)


def test_a_run_begun_out_of_reach_is_kept_and_sent_by_the_next_write(
    place: Place, opened: Callable[[], Store], tmp_path: Path, said: list[str]
):
    store = opened()
    store.begin(RUN.header)
    assert store.append(RUN.records[0])
    assert not store.append(RUN.records[0]), "twice is once, in the spool too"
    assert len(said) == 1, said
    assert "cannot be used now" in said[0]
    assert "kept in" in said[0]
    assert spooled(tmp_path, place.url).load("run-1").records == RUN.records[:1]

    place.comes_back()
    assert store.append(RUN.records[1])
    assert spool(tmp_path, place.url).is_empty()
    assert store.append(RUN.records[2])
    assert opened().load("run-1") == RUN
    assert "has the 1 records" in said[1]


@pytest.mark.postgresql
def test_a_server_that_is_killed_in_the_middle_of_a_run_gets_the_rest_when_it_is_back(
    postgresql: PostgresqlServer, tmp_path: Path, said: list[str]
):
    url, results = postgresql.new_place(), tmp_path / "results"
    store = open_store(results, url, said.append)
    store.begin(RUN.header)
    store.append(RUN.records[0])
    postgresql.kill()
    try:
        assert store.append(RUN.records[1])
        assert spooled(tmp_path, url).load("run-1").records == RUN.records[1:2]
        with pytest.raises(StoreUnreachableError, match=r"postgresql://bench@127.*: cannot be used now \("):
            open_store(results, url, said.append).load("latest")
    finally:
        postgresql.start()
    assert store.append(RUN.records[2])
    assert spool(tmp_path, url).is_empty()
    assert open_store(results, url, pytest.fail).load("run-1") == RUN
    assert not [sentence for sentence in said if PASSWORD in sentence]


def test_opening_sends_first_so_that_nothing_is_measured_twice(
    place: Place, opened: Callable[[], Store], tmp_path: Path
):
    store = opened()
    store.begin(RUN.header)
    store.append(RUN.records[0])
    place.comes_back()
    assert opened().load("latest").records == RUN.records[:1]
    assert spool(tmp_path, place.url).is_empty()


def test_what_is_kept_for_one_store_is_not_sent_to_another(place: Place, opened: Callable[[], Store], tmp_path: Path):
    opened().begin(RUN.header)
    other = open_store(tmp_path / "results", f"sqlite:///{tmp_path / 'other.db'}", pytest.fail)
    other.begin(a_run(run_id="run-2").header)
    assert [header.run_id for header in other.headers()] == ["run-2"]
    assert not spool(tmp_path, place.url).is_empty()


def test_what_the_store_has_from_an_answer_that_was_lost_is_not_doubled(
    place: Place, opened: Callable[[], Store], tmp_path: Path
):
    place.comes_back()
    store = opened()
    store.begin(RUN.header)
    store.append(RUN.records[0])
    spool(tmp_path, place.url).keep(RUN.header, RUN.records[0])
    spool(tmp_path, place.url).keep(RUN.header, RUN.records[1])
    assert store.append(RUN.records[2])
    assert opened().load("run-1") == RUN


def test_another_measurement_under_the_same_id_stays_in_the_spool_and_is_told(
    place: Place, opened: Callable[[], Store], tmp_path: Path, said: list[str]
):
    place.comes_back()
    store = opened()
    store.begin(RUN.header)
    store.append(RUN.records[0])
    other = a_record(measurement=a_measurement(step_seconds=0.2))
    spool(tmp_path, place.url).keep(RUN.header, other)
    assert store.append(RUN.records[1]), "the run goes on"
    assert "is one measurement in" in said[0]
    assert spooled(tmp_path, place.url).load("run-1").records == (other,)
    assert opened().load("run-1").records == RUN.records[:2]


def test_a_line_torn_in_the_spool_is_the_launch_that_was_not_stored(
    place: Place, opened: Callable[[], Store], tmp_path: Path
):
    spool(tmp_path, place.url).keep(RUN.header, RUN.records[0])
    path = spool(tmp_path, place.url).folder / "records/run-1.jsonl"
    path.write_text(path.read_text() + codec.stored(RUN.records[1])[:50])
    place.comes_back()
    assert opened().load("run-1").records == RUN.records[:1]


def test_reading_a_store_out_of_reach_is_one_sentence(tmp_path: Path):
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreUnreachableError, match=r"sqlite:///.*store\.db: cannot be used now \(.*\); check the URL"):
        open_store(tmp_path / "results", f"sqlite:///{tmp_path / 'store.db'}", pytest.fail).load("latest")
