"""Baselines as files that git keeps; what every store does alike stands in test_stores.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores.files import FileStore
from tests.builders import HARDWARE, a_baseline, a_case, a_run


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


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


def test_the_same_figures_accepted_again_change_one_line(store: FileStore):
    before = Path(store.save_baseline(a_baseline())).read_text().splitlines()
    after = Path(store.save_baseline(a_baseline(reason="seen again"))).read_text().splitlines()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True, True]


def test_a_baseline_is_replaced_whole(store: FileStore):
    store.save_baseline(a_baseline())
    store.save_baseline(a_baseline(a_run((a_case(), (0.2, 0.2)), run_id="run-2")))
    assert store.load_baseline(HARDWARE.key, "main").header.run_id == "run-2"
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["main.jsonl"]


def test_a_baseline_that_is_cut_off_is_refused(store: FileStore):
    path = Path(store.save_baseline(a_baseline()))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match="the last line is cut off"):
        store.load_baseline(HARDWARE.key, "main")
