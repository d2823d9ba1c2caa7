"""What every store does alike, over files, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Place
from ssdbench.harness.stores.checking import check
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.opening import open_store
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Baseline
from tests.analysis.test_contents import a_manifest, python
from tests.builders import (
    GPU_HARDWARE,
    HARDWARE,
    a_baseline,
    a_case,
    a_failure,
    a_header,
    a_measurement,
    a_nightly_result,
    a_record,
    a_run,
)
from tests.databases import STORES
from tests.trainings import a_distribution

Open = Callable[[], Store]


@pytest.fixture(params=STORES)
def again(request: pytest.FixtureRequest, new_place: Callable[[str], str], tmp_path: Path) -> Open:
    """Opens the same store anew, as another process would."""
    place = new_place(request.param)
    return lambda: open_store(tmp_path / "results", place, pytest.fail)


@pytest.fixture
def store(again: Open) -> Store:
    return again()


def keep(store: Store, run: Run) -> None:
    store.begin(run.header)
    for record in run.records:
        assert store.append(record)


def on_gpu(baseline: Baseline) -> Baseline:
    return replace(baseline, header=replace(baseline.header, hardware=GPU_HARDWARE))


def test_a_run_is_read_as_it_was_written(store: Store, again: Open):
    # Words and figures that a careless column type or quoting would change.
    words = 'it\'s 100 % "broken"; \\u0000 \u2028 \U0001f4a5 \x00 \x7f {} :name'
    odd = a_measurement(step_seconds=0.1 + 0.2, losses=(float("nan"), float("inf"), 5e-324, 1.7976931348623157e308))
    run = a_run((a_case(), (0.1, a_failure(message=words))), host=replace(a_header().host, hostname=words))
    keep(store, run)
    assert again().load("run-1") == run
    assert store.append(a_record(launch=2, order=2, measurement=odd))
    assert repr(again().load("run-1").records[2].measurement) == repr(odd)


def test_a_run_is_found_by_id_by_a_unique_beginning_and_as_the_latest(store: Store):
    older = a_run(run_id="2026-a", created_at="2026-01-05T12:00:00+00:00")
    newer = a_run(run_id="2026-b", created_at="2026-01-06T12:00:00+00:00")
    keep(store, older)
    keep(store, newer)
    assert store.load("2026-a") == older
    assert store.load("latest") == newer
    assert store.load("2026-b"[:6]) == newer
    assert [header.run_id for header in store.headers()] == ["2026-a", "2026-b"]


def test_an_id_that_begins_another_id_is_still_found(store: Store):
    keep(store, a_run(run_id="run"))
    keep(store, a_run(run_id="run-2"))
    assert store.load("run").header.run_id == "run"
    assert store.load("run-").header.run_id == "run-2"


def test_a_beginning_of_several_ids_is_refused_and_they_are_named(store: Store):
    keep(store, a_run(run_id="run-1"))
    keep(store, a_run(run_id="run-2"))
    with pytest.raises(StoreError, match=r"'run' begins several run ids \(run-1, run-2\); write more of it"):
        store.load("run")


@pytest.mark.parametrize("wanted", ["nothing", "", "../records/run-1", "/etc/passwd", "run-11", "%", "run_1"])
def test_a_missing_run_is_one_sentence_that_names_what_exists(store: Store, wanted: str):
    keep(store, a_run())
    with pytest.raises(StoreError, match=r"no run .* there are run-1"):
        store.load(wanted)


@pytest.mark.parametrize("wanted", ["latest", "run-1"])
def test_an_empty_store_says_how_to_begin(store: Store, wanted: str):
    with pytest.raises(StoreError, match="there is none yet: `ssdbench run` measures speed"):
        store.load(wanted)


@pytest.mark.parametrize("run_id", ["../escape", "a/b", "", ".hidden", "a\nb", "C:\\x", "-option"])
def test_a_run_id_that_is_no_file_name_is_refused(store: Store, run_id: str):
    with pytest.raises(StoreError, match="is no file name"):
        store.begin(a_header(run_id=run_id))
    with pytest.raises(StoreError, match="is no file name"):
        store.append(a_record(run_id=run_id))
    assert not store.headers()


def test_a_run_is_begun_once(store: Store, again: Open):
    store.begin(a_header())
    with pytest.raises(StoreError, match="run run-1 exists"):
        again().begin(a_header())


def test_a_record_needs_a_run_that_was_begun(store: Store):
    store.begin(a_header())
    with pytest.raises(StoreError, match=r"begin (run run-2|it) before its records are added"):
        store.append(a_record(run_id="run-2"))


def test_a_record_is_kept_once_whoever_appends_it_again(store: Store, again: Open):
    run = a_run()
    keep(store, run)
    assert not store.append(run.records[0])
    assert not again().append(run.records[1])
    assert store.load("run-1") == run


def test_records_stand_in_the_order_of_measurement_however_they_arrived(store: Store):
    run = a_run()
    keep(store, replace(run, records=run.records[::-1]))
    assert store.load("run-1") == run


def test_a_baseline_is_read_as_it_was_written_and_replaced_whole(store: Store, again: Open):
    baseline = a_baseline()
    assert "main" in store.save_baseline(baseline)
    assert again().load_baseline(HARDWARE.key, "main") == baseline
    other = a_baseline(a_run((a_case(), (0.2, 0.2)), run_id="run-2"))
    store.save_baseline(other)
    assert again().load_baseline(HARDWARE.key, "main") == other
    assert len(store.list_baselines()) == 1


def test_its_launches_stand_by_case_and_launch_whatever_the_order_of_measurement(store: Store):
    run = a_run((a_case(backbone="resnet50"), (0.1, 0.1)), (a_case(), (0.1, 0.1)))
    store.save_baseline(a_baseline(replace(run, records=run.records[::-1])))
    records = store.load_baseline(HARDWARE.key, "main").records
    assert [(record.case.backbone, record.launch) for record in records] == [
        ("resnet18", 0),
        ("resnet18", 1),
        ("resnet50", 0),
        ("resnet50", 1),
    ]


def test_an_anchor_is_kept_beside_its_baseline_and_forgotten_with_it(store: Store):
    anchor = a_baseline(a_run(run_id="run-9"))
    assert store.load_anchor(HARDWARE.key, "main") is None
    store.save_anchor(anchor)
    assert store.baseline_places() == [(HARDWARE.key, "main")]
    assert not store.has_baseline(HARDWARE.key, "main")
    store.save_baseline(a_baseline())
    assert store.has_baseline(HARDWARE.key, "main")
    assert store.load_anchor(HARDWARE.key, "main") == anchor
    assert len(store.list_baselines()) == 1
    assert len(store.forget_baseline(HARDWARE.key, "main")) == 2
    assert store.baseline_places() == []
    assert store.forget_baseline(HARDWARE.key, "main") == []


def test_baselines_are_listed_by_hardware_and_name(store: Store):
    for baseline in (on_gpu(a_baseline()), a_baseline(name="smoke"), a_baseline()):
        store.save_baseline(baseline)
    assert [(header.hardware, header.name) for header in store.list_baselines()] == [
        (GPU_HARDWARE, "main"),
        (HARDWARE, "main"),
        (HARDWARE, "smoke"),
    ]


def test_a_missing_baseline_is_one_sentence_with_the_remedy(store: Store):
    with pytest.raises(StoreError, match="no baseline 'main' for this hardware; accept a run with `baseline accept`"):
        store.load_baseline(HARDWARE.key, "main")


@pytest.mark.parametrize("name", ["../main", "a/b", "", ".x", "a b"])
def test_a_name_that_is_no_file_name_is_refused(store: Store, name: str):
    with pytest.raises(StoreError, match=r"baseline name .* is no file name"):
        store.save_baseline(a_baseline(name=name))
    with pytest.raises(StoreError, match=r"hardware key .* is no file name"):
        store.load_baseline(name, "main")
    with pytest.raises(StoreError, match="as the files of anchors do"):
        store.save_baseline(a_baseline(name="main.anchor"))


def test_a_name_means_the_baseline_of_this_hardware_before_a_run(store: Store):
    store.save_baseline(a_baseline(name="run-7"))
    store.begin(a_header(run_id="run-7"))
    assert isinstance(store.find_reference(HARDWARE.key, "run-7"), Baseline)


def test_a_name_that_only_another_machine_has_means_no_baseline_yet(store: Store):
    store.save_baseline(on_gpu(a_baseline(name="nightly")))
    assert store.find_reference(HARDWARE.key, "nightly") is None
    assert store.find_reference(HARDWARE.key, "main") is None


def test_a_run_can_be_the_reference_by_id_or_beginning(store: Store):
    store.begin(a_header(run_id="run-7"))
    for name in ("run-7", "run", "latest"):
        reference = store.find_reference(HARDWARE.key, name)
        assert reference is not None
        assert reference.header == a_header(run_id="run-7")


def test_a_name_of_nothing_is_one_sentence(store: Store):
    with pytest.raises(StoreError, match=r"no baseline 'mian' in .*, and as a run: .* no run 'mian'"):
        store.find_reference(HARDWARE.key, "mian")


def test_a_distribution_is_read_as_it_was_written(store: Store, again: Open):
    distributions, distribution = DistributionStore(store.archive), a_distribution()
    assert not distributions.has("main")
    with pytest.raises(StoreError, match="no distribution 'main'; there are: none yet"):
        distributions.load("main")
    distributions.save(replace(distribution, seeds=distribution.seeds[::-1]))
    assert DistributionStore(again().archive).load("main") == distribution
    assert distributions.has("main")
    assert distributions.headers() == [distribution.header]
    assert not store.list_baselines()


def test_results_of_nightly_runs_come_back_in_the_order_of_arrival(store: Store, again: Open):
    first, second = a_nightly_result(run_id="z", arrival=1), a_nightly_result(run_id="a", arrival=2)
    elsewhere = a_nightly_result(run_id="b", arrival=3, hardware_key="other", suite="smoke")
    for result in (elsewhere, second, first):
        NightlyResults(store.archive).save(result)
    results = NightlyResults(again().archive)
    assert results.all() == [first, second, elsewhere]
    assert results.all(hardware_key=HARDWARE.key) == results.all(suite="nightly") == [first, second]
    assert not store.list_baselines()
    assert not store.headers()


def test_a_manifest_of_an_image_is_kept_once_and_found_by_the_images_name(store: Store, again: Open):
    manifests = ImageManifests(store.archive)
    assert manifests.of_image("sha256:old") is None
    assert manifests.of_image(None) is None
    manifests.save(a_manifest(python("torch", "2.1")))
    manifests.save(a_manifest(python("torch", "2.1", loaded=True)))
    manifests.save(a_manifest(image="sha256:new"))
    found = ImageManifests(again().archive).of_image("sha256:old")
    assert found == a_manifest(python("torch", "2.1", loaded=True))
    assert (check(store).manifests, check(store).faults) == (2, ())
    assert not store.headers()


def test_a_result_that_cannot_be_read_is_named_and_passed_over(store: Store):
    NightlyResults(store.archive).save(a_nightly_result())
    place = Place(kind="nightly", hardware_key=HARDWARE.key, name="broken")
    store.archive.write(place, [codec.stored(a_nightly_result()).replace('"exit_code":0', '"exit_code":3')])
    said: list[str] = []
    assert NightlyResults(store.archive, said.append).all() == [a_nightly_result()]
    assert "broken" in said[0]
    assert "checksum" in check(store).faults[0]
    assert check(store).nightly_results == 2
