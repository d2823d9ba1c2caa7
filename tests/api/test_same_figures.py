"""A frame's figures are those of the command line, to the last bit, for 10,000 launches."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ssdbench
from ssdbench.analysis.tables.measured import mean_cell
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.opening import open_store
from tests.api.many_records import CASES, RECORDS, fill
from tests.cli.running import ssdbench as command

pytestmark = pytest.mark.xdist_group("same-figures")  # what its tests share is made once, by one worker


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    fill(FileStore(folder))
    return folder


@pytest.fixture(scope="module")
def lab(results: Path) -> ssdbench.Lab:
    return ssdbench.open(results)


def same(found: Any, said: object) -> bool:
    """Whether a cell is what JSON or CSV says, a missing one where it says nothing."""
    if said in (None, ""):
        return bool(pd.isna(found)) or found == ""
    if isinstance(said, str) and not isinstance(found, str):
        return float(said) == float(found)
    return bool(found == said)


def test_the_verdicts_are_those_of_compare(lab: ssdbench.Lab, results: Path) -> None:
    said = json.loads(command("compare", "run-19", "--json", "--results", results).out)
    frame = lab.verdicts("run-19")
    assert len(frame) == len(said["cases"]) == len(CASES)
    for (_, row), case in zip(frame.iterrows(), said["cases"], strict=True):
        verdict = case["verdict"]
        assert (row["case"], row["notes"]) == (case["case_key"], "; ".join(case["notes"]))
        for name in sorted(set(frame.columns) & set(verdict)):
            assert same(row[name], verdict[name]), (case["case_key"], name)
    assert {"regressed", "inconclusive"} & set(frame["status"])


def test_a_history_is_that_of_history_csv(lab: ssdbench.Lab, results: Path) -> None:
    said = list(csv.DictReader(io.StringIO(command("history", CASES[-1].key, "--csv", "--results", results).out)))
    frame = lab.history(CASES[-1].key)
    assert len(said) == len(frame) > 15
    for (_, row), line in zip(frame.iterrows(), said, strict=True):
        for name, column in {"runs": "run_ids", "change_point": "is_change_point"}.items():
            line[column] = line.pop(name)
        line.pop("measured_at")
        for name in line:
            assert same(row[name], line[name]), name
    assert frame["is_change_point"].sum() == 1


def test_the_launches_and_the_cells_give_the_table_of_table_csv(lab: ssdbench.Lab, results: Path) -> None:
    runs = lab.runs()
    said = list(csv.DictReader(io.StringIO(command("table", *runs, "--format", "csv", "--results", results).out)))
    cells, launches = lab.table(runs), lab.launches()
    assert len(launches) == RECORDS == 10_000
    assert len(said) == len(cells) > 100
    for (_, cell), line in zip(cells.iterrows(), said, strict=True):
        for name in line:
            assert same(cell[name], line[name]), name
    usable = launches.query("usable")
    broken = set(launches.loc[launches["failure_kind"].notna() & ~launches["replaced"], "case"])
    figures = {"throughput": ("global_throughput_images_per_second", 1.0), "latency_p50": ("latency_p50_seconds", 1e3)}
    compared = 0
    for _, cell in cells[cells["metric"].isin(list(figures)) & cells["value"].notna()].iterrows():
        column, factor = figures[cell["metric"]]
        workload = "train" if cell["table"].startswith("Training") else "infer"
        wanted = {"workload": workload, "batch_size_per_gpu": cell["batch_size_per_gpu"]}
        of_cell = usable.loc[(usable[list(wanted)] == pd.Series(wanted)).all(axis="columns")]
        of_cell = of_cell[of_cell["precision"] == cell["precision"]]
        assert not set(of_cell["case"]) & broken
        means = [mean_cell([factor * value for value in run]).value for _, run in of_cell.groupby("run_id")[column]]
        expected = mean_cell([math.nan if mean is None else mean for mean in means])
        assert (cell["value"], cell["low"], cell["high"]) == (expected.value, expected.low, expected.high)
        compared += 1
    assert compared > 60


def test_nothing_is_left_out_in_silence(lab: ssdbench.Lab) -> None:
    launches = lab.launches()
    outcomes: dict[str, Callable[[], int]] = {
        "failed": lambda: int(launches["failure_kind"].notna().sum()),
        "invalid": lambda: int(launches["invalid_reason"].notna().sum()),
        "replaced": lambda: int(launches["replaced"].sum()),
    }
    assert all(count() > 0 for count in outcomes.values())
    sound = launches["failure_kind"].isna() & launches["invalid_reason"].isna() & ~launches["replaced"]
    pd.testing.assert_series_equal(launches["usable"], sound, check_names=False)


@pytest.mark.long
def test_a_database_gives_the_same_frames(lab: ssdbench.Lab, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/many.db"
    fill(open_store(tmp_path, url, print))
    other = ssdbench.open(url, results=tmp_path)
    for frame in (
        lambda lab: lab.launches(),
        lambda lab: lab.verdicts("run-19"),
        lambda lab: lab.history(CASES[0].key),
        lambda lab: lab.steps("run-03"),
    ):
        pd.testing.assert_frame_equal(frame(lab), frame(other), check_exact=True)
