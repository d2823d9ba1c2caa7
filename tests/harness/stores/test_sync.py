"""Stores copied into one another, over all pairs of kinds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.files import FileArchive, FileStore
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.opening import open_archive
from ssdbench.harness.stores.store import Store
from ssdbench.harness.stores.sync import sync
from ssdbench.schema.verdict import Baseline
from tests.analysis.test_contents import a_manifest, python
from tests.builders import HARDWARE, a_baseline, a_measurement, a_nightly_result, a_run
from tests.databases import STORES
from tests.trainings import a_distribution, a_training_run, some_seeds

LATER = "2026-03-01T12:00:00+00:00"


def accepted(baseline: Baseline, at: str) -> Baseline:
    return replace(baseline, header=replace(baseline.header, accepted_at=at))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def full(tmp_path: Path) -> FileStore:
    """Some of everything."""
    store = FileStore(tmp_path / "full")
    for run in (a_run(), a_training_run(some_seeds(), run_id="seeds")):
        store.begin(run.header)
        for record in run.records:
            store.append(record)
    store.save_anchor(a_baseline(a_run(run_id="run-9")))
    store.save_baseline(a_baseline())
    store.save_baseline(a_baseline(name="smoke"))
    DistributionStore(store.archive).save(a_distribution())
    NightlyResults(store.archive).save(a_nightly_result())
    return store


@pytest.mark.parametrize("kind", STORES)
def test_what_goes_into_a_store_comes_out_of_it_byte_for_byte(
    full: FileStore, kind: str, new_place: Callable[[str], str], tmp_path: Path
):
    between, back = open_archive(new_place(kind)), FileArchive(tmp_path / "back")
    copied = sync(full.archive, between)
    assert (copied.runs, copied.records, copied.baselines, copied.distributions) == (2, 13, 2, 1)
    assert copied.nightly_results == 1
    assert not copied.replaced
    again = sync(full.archive, between)
    assert again.nightly_results == 0
    assert (again.runs, again.records, again.baselines, again.distributions) == (0, 0, 0, 0)
    sync(between, back)
    assert bytes_of(tmp_path / "back") == bytes_of(full.root)


@pytest.mark.parametrize("kind", STORES)
def test_both_sides_of_a_run_that_grew_on_both_are_joined(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    here, there, run = Store(open_archive(new_place(kind))), FileStore(tmp_path / "there"), a_run()
    for store, records in ((here, run.records[:2]), (there, run.records[1:])):
        store.begin(run.header)
        for record in records:
            store.append(record)
    assert sync(here.archive, there.archive).records == 1
    assert sync(there.archive, here.archive).records == 1
    assert here.load("run-1") == there.load("run-1") == run


@pytest.mark.parametrize("kind", STORES)
def test_a_baseline_that_differs_is_refused_before_anything_is_copied(
    full: FileStore, kind: str, new_place: Callable[[str], str]
):
    other = Store(open_archive(new_place(kind)))
    theirs = accepted(a_baseline(a_run(run_id="run-5")), LATER)
    other.save_baseline(theirs)
    with pytest.raises(StoreError, match=rf"main.* accepted {LATER[:10]}.*differs from .*--keep-newer"):
        sync(full.archive, other.archive)
    assert not other.headers()

    assert not sync(full.archive, other.archive, keep_newer=True).replaced
    assert other.load_baseline(HARDWARE.key, "main") == theirs
    assert other.load_anchor(HARDWARE.key, "main") is None, "an anchor goes with its own baseline"
    assert other.has_baseline(HARDWARE.key, "smoke")

    copied = sync(other.archive, full.archive, keep_newer=True)
    assert [place for place in copied.replaced if "main" in place] == list(copied.replaced)
    assert full.load_baseline(HARDWARE.key, "main") == theirs


def test_two_measurements_under_one_id_are_refused(full: FileStore, tmp_path: Path):
    other, run = FileStore(tmp_path / "other"), a_run()
    other.begin(run.header)
    other.append(replace(run.records[0], measurement=a_measurement(step_seconds=0.2)))
    with pytest.raises(StoreError, match=f"record {run.records[0].id} is one measurement in .*run-1.* and another in"):
        sync(full.archive, other.archive)


def test_two_runs_under_one_id_are_refused(full: FileStore, tmp_path: Path):
    other = FileStore(tmp_path / "other")
    other.begin(a_run(created_at=LATER).header)
    with pytest.raises(StoreError, match=r"run run-1 has one header in .* and another in"):
        sync(full.archive, other.archive)


def test_a_broken_line_stops_the_copy_with_its_place(full: FileStore, tmp_path: Path):
    path = full.root / "records/run-1.jsonl"
    path.write_text(path.read_text().replace('"launch_seconds"', '"lunch_seconds"', 2))
    with pytest.raises(StoreError, match=r"run-1\.jsonl line 2: .*changed after it was written"):
        sync(full.archive, FileArchive(tmp_path / "other"))


def test_a_name_from_a_database_cannot_leave_the_folder_that_it_is_copied_to(
    new_place: Callable[[str], str], tmp_path: Path
):
    hostile = open_archive(new_place("sqlite"))
    run = a_run(run_id="../../escape")
    assert hostile.begin("../../escape", codec.stored(run.header))
    with pytest.raises(StoreError, match=r"run id '../../escape' is no file name"):
        sync(hostile, FileArchive(tmp_path / "inner" / "files"))
    assert not list(tmp_path.rglob("escape*"))


@pytest.mark.parametrize("kind", STORES)
def test_of_two_results_of_a_nightly_run_the_later_is_kept_without_an_option(
    full: FileStore, kind: str, new_place: Callable[[str], str]
):
    other = open_archive(new_place(kind))
    sync(full.archive, other)
    later = replace(a_nightly_result(), exit_code=3, measured_at=LATER)
    NightlyResults(other).save(later)
    assert not sync(full.archive, other).nightly_results
    assert NightlyResults(other).all() == [later]
    assert sync(other, full.archive).nightly_results == 1
    assert NightlyResults(full.archive).all() == [later]


def test_manifests_of_images_are_copied_and_the_later_one_is_kept(tmp_path: Path):
    here, there = FileStore(tmp_path / "here"), FileStore(tmp_path / "there")
    later = replace(a_manifest(python("torch", "2.1", loaded=True)), collected_at="2026-02-01T00:00:00+00:00")
    ImageManifests(here.archive).save(later)
    ImageManifests(there.archive).save(a_manifest(python("torch", "2.1")))
    assert sync(there.archive, here.archive).manifests == 0
    assert sync(here.archive, there.archive).manifests == 1
    assert ImageManifests(there.archive).of_image("sha256:old") == later
