"""Every command that reads records says the same from any store, and the commands of `ssdbench store`."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench import open as open_lab
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.opening import open_archive, open_store, spool_of
from tests.builders import HARDWARE, a_baseline, a_case, a_run, stored_sessions
from tests.cli.running import keep, ssdbench
from tests.databases import DATABASES, PASSWORD, STORES
from tests.trainings import a_distribution, a_training_run, some_seeds

A, B = a_case(), a_case(batch_size_per_gpu=4)
COMMANDS = (
    ("compare", "latest"),
    ("compare", "night-2", "--json"),
    ("compare", "night-1", "--baseline", "night-2", "--metrics"),
    ("table", "latest"),
    ("history",),
    ("history", A.key, "--csv"),
    ("report", "latest", "--markdown", "-"),
    ("export", "latest", "--format", "bmf"),
    ("baseline", "list"),
    ("baseline", "show"),
    ("baseline", "diff", "main", "latest"),
    ("baseline", "verify"),
    ("converge", "list"),
    ("converge", "show", "main"),
    ("converge", "table", "seeds"),
    ("converge", "check", "seeds", "--baseline", "main", "--json"),
    ("compare", "nothing"),
    ("baseline", "show", "nothing"),
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two nights, a baseline with its anchor, and trainings with their distribution, as files."""
    folder = tmp_path / "results"
    keep(folder, a_training_run(some_seeds(), run_id="seeds", created_at=_day(0)))
    for number, second in enumerate((0.1, 0.12), start=1):
        keep(folder, a_run((A, (0.1,) * 5), (B, (second,) * 5), run_id=f"night-{number}", created_at=_day(number)))
    store = FileStore(folder)
    store.save_baseline(stored_sessions(a_run((A, (0.1,) * 5), (B, (0.1,) * 5), run_id="run-0")))
    store.save_anchor(a_baseline(a_run((A, (0.11,) * 5), run_id="run-9")))
    DistributionStore(store.archive).save(a_distribution())
    return folder


def _day(number: int) -> str:
    return f"2026-01-{10 + number}T12:00:00+00:00"


@pytest.mark.parametrize("kind", DATABASES)
def test_every_command_that_reads_says_the_same_from_any_store(
    files: Path, kind: str, new_place: Callable[[str], str], tmp_path: Path
):
    place = new_place(kind)
    copied = ssdbench("store", "sync", files, place)
    assert copied.code == 0, copied.err
    assert "3 runs, 30 records, 1 baseline, 1 distribution" in copied.words
    name = open_store(tmp_path, place, pytest.fail).name
    for command in COMMANDS:
        stored = ssdbench(*command, "--results", tmp_path / "other", "--store", place)
        expected = ssdbench(*command, "--results", files)
        assert (stored.code, stored.out) == (expected.code, expected.out), command
        assert stored.err.replace(name, "PLACE") == expected.err.replace(str(files), "PLACE"), command
        assert PASSWORD not in stored.out + stored.err


@pytest.mark.parametrize("kind", DATABASES)
def test_a_report_and_a_site_are_the_same_from_any_store(
    files: Path, kind: str, new_place: Callable[[str], str], tmp_path: Path
):
    place = new_place(kind)
    ssdbench("store", "sync", files, place)
    # The pictures of trainings are files of the machine that trained, whatever the store.
    for side, where in (("expected", ("--results", files)), ("stored", ("--results", files, "--store", place))):
        assert ssdbench("report", "latest", "-o", tmp_path / side / "report.html", *where).code == 0
        assert ssdbench("history", "--html", tmp_path / side, *where).code == 0
        shutil.rmtree(files / "records", ignore_errors=True)
    pages = [
        {path.relative_to(tmp_path / side): path.read_bytes() for path in (tmp_path / side).rglob("*.html")}
        for side in ("stored", "expected")
    ]
    assert pages[0] == pages[1]
    assert len(pages[0]) > 3


@pytest.mark.parametrize("kind", STORES)
def test_a_baseline_is_accepted_and_forgotten_in_any_store(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    place = new_place(kind)
    store, where = open_store(tmp_path, place, pytest.fail), ("--store", place)
    run = a_run(run_id="night-1")
    store.begin(run.header)
    for record in run.records:
        store.append(record)
    done = ssdbench("baseline", "accept", "latest", "--reason", "first figures", *where)
    assert done.code == 0, done.err
    assert "accepted: 3 launches in" in done.out
    assert store.load_anchor(HARDWARE.key, "main") is not None
    assert store.load_baseline(HARDWARE.key, "main").header.run_id == "night-1"
    forgotten = ssdbench("baseline", "forget", "main", "--reason", "an error", *where)
    assert forgotten.out.count("removed: ") == 2
    assert not store.list_baselines()
    assert PASSWORD not in done.out + done.err + forgotten.out + forgotten.err


@pytest.mark.parametrize("kind", STORES)
def test_a_distribution_is_accepted_in_any_store(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    place = new_place(kind)
    store, run = open_store(tmp_path, place, pytest.fail), a_training_run(some_seeds(), run_id="seeds")
    store.begin(run.header)
    for record in run.records:
        store.append(record)
    done = ssdbench("converge", "accept", "seeds", "--name", "main", "--reason", "first seeds", "--store", place)
    assert done.code == 0, done.err
    assert DistributionStore(store.archive).load("main").header.run_ids == ("seeds",)


def test_the_environment_names_the_store_and_the_option_goes_first(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("SSDBENCH_STORE", url)
    assert "there is none yet" in ssdbench("compare", "latest", "--results", files).err
    assert ssdbench("compare", "night-1", "--store", files).code == 0


def test_what_a_runner_kept_is_sent(tmp_path: Path):
    results, run, database = tmp_path / "results", a_run(), tmp_path / "store.db"
    url = f"sqlite:///{database}"
    spool = spool_of(results, open_archive(url))
    for record in run.records:
        spool.keep(run.header, record)
    assert "name the store" in ssdbench("store", "send", "--results", results).err
    database.mkdir()
    down = ssdbench("store", "send", "--results", results, "--store", url)
    assert (down.code, "cannot be used now" in down.err) == (ExitCode.ENVIRONMENT, True)
    assert not spool.is_empty()
    database.rmdir()
    sent = ssdbench("store", "send", "--results", results, "--store", url)
    assert "sent: 3 records of 1 run to sqlite:///" in sent.out
    assert "nothing to send in" in ssdbench("store", "send", "--results", results, "--store", url).out
    assert open_store(results, url, pytest.fail).load("latest") == run


def test_what_a_runner_kept_and_the_store_has_otherwise_stays(tmp_path: Path):
    results, run, url = tmp_path / "results", a_run(), f"sqlite:///{tmp_path / 'store.db'}"
    open_store(results, url, pytest.fail).begin(run.header)
    spool_of(results, open_archive(url)).keep(replace(run.header, created_at=_day(1)), run.records[0])
    sent = ssdbench("store", "send", "--results", results, "--store", url)
    assert (sent.code, "sent: 0 records of 0 runs" in sent.out) == (ExitCode.USAGE, True)
    assert "run run-1 stays in" in sent.err
    assert not spool_of(results, open_archive(url)).is_empty()


def test_stores_that_grew_apart_are_joined_both_ways(files: Path, tmp_path: Path):
    other = tmp_path / "other"
    keep(other, a_run(run_id="night-3", created_at=_day(3)))
    done = ssdbench("store", "sync", files, other, "--both")
    assert [line.split(": ")[1] for line in done.out.splitlines()] == [
        "3 runs, 30 records, 1 baseline, 1 distribution",
        "1 run, 3 records, 0 baselines, 0 distributions",
    ]
    assert FileStore(files).headers() == FileStore(other).headers()


def test_one_run_is_copied_alone_from_where_a_variable_names(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path / 'team.db'}"
    assert ssdbench("store", "sync", files, url).code == 0
    unset = ssdbench("store", "sync", "env:TEAM", tmp_path / "other")
    assert (unset.code, "the variable TEAM is not set" in unset.err) == (ExitCode.USAGE, True)
    monkeypatch.setenv("TEAM", url)
    done = ssdbench("store", "sync", "env:TEAM", tmp_path / "other", "--run", "latest")
    assert "1 run, 10 records, 0 baselines, 0 distributions" in done.words, done.err
    here = FileStore(tmp_path / "other")
    assert [header.run_id for header in here.headers()] == ["night-2"]
    assert here.load("latest") == FileStore(files).load("night-2")
    unknown = ssdbench("store", "sync", "env:TEAM", here.root, "--run", "night-7")
    assert (unknown.code, "night-7" in unknown.err) == (ExitCode.USAGE, True)
    vague = ssdbench("store", "sync", "env:TEAM", here.root, "--run", "latest", "--both")
    assert (vague.code, "omit --both" in vague.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("place", ["{}/nowhere", "sqlite:///{}/nowhere.db"])
def test_a_store_that_is_not_there_is_not_copied_as_an_empty_one(tmp_path: Path, place: str):
    missing = ssdbench("store", "sync", place.format(tmp_path), tmp_path / "copy")
    assert (missing.code, "nowhere" in missing.err, "does not exist" in missing.err) == (ExitCode.USAGE, True, True)
    assert not list(tmp_path.iterdir())


def test_a_baseline_that_differs_is_kept_as_it_is_unless_the_newer_is_asked_for(files: Path, tmp_path: Path):
    other = FileStore(tmp_path / "other")
    newer = a_baseline(a_run(run_id="run-5"))
    newer = replace(newer, header=replace(newer.header, accepted_at="2026-03-01T12:00:00+00:00"))
    other.save_baseline(newer)
    refused = ssdbench("store", "sync", other.root, files)
    assert (refused.code, "--keep-newer" in refused.err) == (ExitCode.USAGE, True)
    done = ssdbench("store", "sync", other.root, files, "--keep-newer")
    assert "replaced by a later acceptance: " in done.out
    assert FileStore(files).load_baseline(HARDWARE.key, "main") == newer


def test_check_reads_everything_and_names_what_cannot_be_read(files: Path):
    done = ssdbench("store", "check", "--results", files)
    assert (done.code, "3 runs, 1 baseline, 1 distribution; all readable" in done.out) == (ExitCode.OK, True)
    for name in ("records/night-1.jsonl", "convergence/main.jsonl", f"baselines/{HARDWARE.key}/main.anchor.jsonl"):
        path = files / name
        path.write_text(path.read_text().replace('"schema_version":1', '"schema_version":9', 1))
    done = ssdbench("store", "check", "--results", files)
    assert done.code == ExitCode.USAGE
    assert done.out.count("by a newer ssdbench") == 3


def test_migrate_says_what_it_did(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert f"{url}: its tables were created, now version 1" in ssdbench("store", "migrate", url).out
    assert "already" in ssdbench("store", "migrate", url).out
    folder = ssdbench("store", "migrate", tmp_path)
    assert (folder.code, "no kind of store" in folder.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("broken", ["mysql://me:hush@host/db", "postgresql://me:hu@sh@host/db"])
def test_a_password_is_in_no_error(broken: str, monkeypatch: pytest.MonkeyPatch):
    for arguments in (("compare", "latest", "--store", broken), ("store", "sync", broken, "files")):
        done = ssdbench(*arguments)
        assert done.code == ExitCode.USAGE
        assert "hush" not in done.err + done.out
    monkeypatch.setenv("SSDBENCH_STORE", broken)
    assert "hush" not in ssdbench("baseline", "list").err


def test_workers_do_not_inherit_the_store(monkeypatch: pytest.MonkeyPatch):
    from ssdbench.harness.process import worker_environment

    monkeypatch.setenv("SSDBENCH_STORE", "postgresql://me:hush@host/db")
    monkeypatch.setenv("PGPASSWORD", "hush")
    assert "hush" not in repr(worker_environment({}))


def test_the_environment_names_the_folder_where_no_option_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keep(tmp_path / "chosen", a_run((A, [0.1])))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSDBENCH_RESULTS", "chosen")
    assert A.title.split(" · ")[0] in ssdbench("history").out
    assert len(open_lab().launches()) == 1
    elsewhere = ssdbench("history", "--results", tmp_path / "elsewhere")
    assert (elsewhere.code, elsewhere.out) == (2, "")
    assert "SSDBENCH_RESULTS" in ssdbench("run", "--help", columns=140).out
