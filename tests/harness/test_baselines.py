from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.verdict import Baseline
from tests.builders import GPU_HARDWARE, HARDWARE, a_baseline, a_case, a_run


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def on_gpu(baseline: Baseline) -> Baseline:
    return replace(baseline, header=replace(baseline.header, hardware=GPU_HARDWARE))


def test_a_baseline_is_read_as_it_was_written(store: FileStore):
    baseline = a_baseline()
    path = store.save_baseline(baseline)
    assert Path(path) == store.root / "baselines" / HARDWARE.key / "main.jsonl"
    assert store.load_baseline(HARDWARE.key, "main") == baseline


def test_its_lines_stand_by_case_and_launch_whatever_the_order_of_measurement(store: FileStore):
    run = a_run((a_case(backbone="resnet50"), (0.1, 0.1)), (a_case(), (0.1, 0.1)))
    first = Path(store.save_baseline(a_baseline(run))).read_bytes()
    shuffled = replace(run, records=run.records[::-1])
    assert Path(store.save_baseline(a_baseline(shuffled))).read_bytes() == first
    records = store.load_baseline(HARDWARE.key, "main").records
    assert [(record.case.backbone, record.launch) for record in records] == [
        ("resnet18", 0),
        ("resnet18", 1),
        ("resnet50", 0),
        ("resnet50", 1),
    ]


def test_the_same_figures_accepted_again_change_one_line(store: FileStore):
    before = Path(store.save_baseline(a_baseline())).read_text().splitlines()
    after = Path(store.save_baseline(a_baseline(reason="seen again"))).read_text().splitlines()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True, True]


def test_a_baseline_is_replaced_whole(store: FileStore):
    store.save_baseline(a_baseline())
    store.save_baseline(a_baseline(a_run((a_case(), (0.2, 0.2)), run_id="run-2")))
    assert store.load_baseline(HARDWARE.key, "main").header.run_id == "run-2"
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["main.jsonl"]


def test_baselines_are_listed_by_hardware_and_name(store: FileStore):
    for baseline in (on_gpu(a_baseline()), a_baseline(name="smoke"), a_baseline()):
        store.save_baseline(baseline)
    assert [(header.hardware, header.name) for header in store.list_baselines()] == [
        (GPU_HARDWARE, "main"),
        (HARDWARE, "main"),
        (HARDWARE, "smoke"),
    ]


def test_a_missing_baseline_is_one_sentence_with_the_remedy(store: FileStore):
    with pytest.raises(StoreError, match="no baseline 'main' for this hardware; accept a run with `baseline accept`"):
        store.load_baseline(HARDWARE.key, "main")


@pytest.mark.parametrize("name", ["../main", "a/b", "", ".x", "a b"])
def test_a_name_cannot_leave_the_folder(store: FileStore, name: str):
    with pytest.raises(StoreError, match=r"baseline name .* is no file name"):
        store.save_baseline(a_baseline(name=name))
    with pytest.raises(StoreError, match=r"hardware key .* is no file name"):
        store.load_baseline(name, "main")


def test_a_baseline_that_is_cut_off_is_refused(store: FileStore):
    path = Path(store.save_baseline(a_baseline()))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match="the last line is cut off"):
        store.load_baseline(HARDWARE.key, "main")


def test_a_name_means_the_baseline_of_this_hardware_before_a_run(store: FileStore):
    store.save_baseline(a_baseline(name="run-7"))
    store.begin(a_run(run_id="run-7").header)
    assert isinstance(store.find_reference(HARDWARE.key, "run-7"), Baseline)


def test_a_name_that_only_another_machine_has_means_no_baseline_yet(store: FileStore):
    store.save_baseline(on_gpu(a_baseline(name="nightly")))
    assert store.find_reference(HARDWARE.key, "nightly") is None
    assert store.find_reference(HARDWARE.key, "main") is None


def test_a_run_can_be_the_reference_by_id_beginning_or_path(store: FileStore):
    header = a_run(run_id="run-7").header
    store.begin(header)
    for name in ("run-7", "run", "latest", str(store.root / "records" / "run-7.jsonl")):
        reference = store.find_reference(HARDWARE.key, name)
        assert reference is not None
        assert reference.header == header


def test_a_name_of_nothing_is_one_sentence(store: FileStore):
    with pytest.raises(StoreError, match=r"no baseline 'mian' in .*, and as a run: .* no run 'mian'"):
        store.find_reference(HARDWARE.key, "mian")
