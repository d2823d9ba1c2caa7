"""`export --format csv|parquet` and `table --format parquet`, read back by readers that are not ours."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet
import pytest

import ssdbench
from ssdbench.harness.stores.files import FileStore
from tests.builders import a_case, a_failure, a_run, stored_sessions
from tests.cli.running import keep
from tests.cli.running import ssdbench as command

FRAMES: dict[str, Callable[[ssdbench.Lab], pd.DataFrame]] = {
    "launches": lambda lab: lab.launches(),
    "steps": lambda lab: lab.steps(),
    "verdicts": lambda lab: lab.verdicts(),
}


def _exact(text: str) -> float:
    """A number to its last bit, which `read_csv` of pandas 2 does not read."""
    return float(text or "nan")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run with a failure and a text that a spreadsheet would take for a formula, and a baseline."""
    run = a_run(
        (a_case(), (0.1, 0.1 / 3, 0.1)), (a_case(precision="bf16"), (0.2, a_failure(message='=1+1, "so"\nit ended')))
    )
    keep(
        tmp_path,
        replace(run, records=(*run.records[:2], replace(run.records[2], invalid_reason="a clock"), *run.records[3:])),
    )
    FileStore(tmp_path).save_baseline(stored_sessions())
    return tmp_path


@pytest.mark.parametrize("name", FRAMES)
def test_parquet_holds_the_frame_with_its_dtypes(results: Path, name: str) -> None:
    path = results / "x.parquet"
    done = command("export", "latest", "--format", "parquet", "--frame", name, "-o", path, "--results", results)
    assert (done.code, done.out, done.err) == (0, "", "")
    frame = FRAMES[name](ssdbench.open(results))
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame, check_exact=True)
    table = pyarrow.parquet.read_table(path)
    assert (table.column_names, table.num_rows) == (list(frame.columns), len(frame))


@pytest.mark.parametrize("name", FRAMES)
def test_duckdb_reads_the_same_from_parquet_and_csv(results: Path, name: str) -> None:
    frame = FRAMES[name](ssdbench.open(results))
    for form in ("parquet", "csv"):
        path = results / f"x.{form}"
        command("export", "latest", "--format", form, "--frame", name, "-o", path, "--results", results)
        found = duckdb.sql(f"SELECT * FROM '{path}'").df()
        assert list(found.columns) == list(frame.columns)
        for column in frame.select_dtypes("float64"):
            assert found[column].astype("float64").equals(frame[column].reset_index(drop=True)), column
        assert found["case"].astype(str).tolist() == frame["case"].astype(str).tolist()
    if name == "launches":
        ((usable,),) = duckdb.sql(f"SELECT count(*) FROM '{results}/x.parquet' WHERE usable").fetchall()
        assert usable == int(frame["usable"].sum()) == 3


def test_csv_goes_to_standard_output_and_is_safe_in_a_spreadsheet(results: Path) -> None:
    done = command("export", "latest", "--format", "csv", "--results", results)
    assert done.code == 0
    found = pd.read_csv(io.StringIO(done.out), converters={"global_throughput_images_per_second": _exact})
    failures = found["failure"].dropna().tolist()
    assert failures == ['\'=1+1, "so"\nit ended']
    assert found["global_throughput_images_per_second"].dropna().tolist() == (
        ssdbench.open(results).launches()["global_throughput_images_per_second"].dropna().tolist()
    )


def test_verdicts_are_against_what_is_asked_for(results: Path) -> None:
    keep(results, a_run(run_id="run-2"))
    done = command(
        "export", "run-2", "--format", "csv", "--frame", "verdicts", "--baseline", "run-1", "--results", results
    )
    assert set(pd.read_csv(io.StringIO(done.out))["baseline"]) == {"run-1"}


def test_a_table_as_parquet_has_the_cells_of_the_csv(results: Path) -> None:
    path = results / "table.parquet"
    assert command("table", "--published", "22.10", "--format", "parquet", "-o", path, "--results", results).code == 0
    found = pd.read_parquet(path)
    text = command("table", "--published", "22.10", "--format", "csv", "--results", results).out
    as_csv = pd.read_csv(io.StringIO(text), converters={"value": _exact})
    assert len(found) == len(as_csv) > 200
    assert found["value"].astype("float64").equals(as_csv["value"])
    for column in ("table", "metric", "unit", "note", "word"):
        assert found[column].fillna("").tolist() == as_csv[column].fillna("").tolist(), column
    command("table", "latest", "--format", "parquet", "-o", path, "--results", results)
    pd.testing.assert_frame_equal(pd.read_parquet(path), ssdbench.open(results).table(), check_exact=True)


@pytest.mark.parametrize("verb", ["export", "table"])
def test_parquet_goes_to_a_pipe(results: Path, verb: str) -> None:
    words = [
        sys.executable,
        "-m",
        "ssdbench",
        verb,
        "latest",
        "--format",
        "parquet",
        "-o",
        "-",
        "--results",
        str(results),
    ]
    done = subprocess.run(words, capture_output=True, check=True)
    assert len(pd.read_parquet(io.BytesIO(done.stdout)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("export", "latest", "--format", "parquet"), "Parquet is binary: name a file with --output"),
        (("table", "latest", "--format", "parquet"), "Parquet is binary: name a file with --output"),
        (("export", "latest", "--format", "parkay"), "format 'parkay' is not known: choose from bmf, "),
        (("table", "latest", "--format", "parkay"), "format 'parkay' is not known: choose from csv, "),
        (("export", "latest", "--format", "bmf", "--frame", "steps"), "--frame is for the formats csv and parquet"),
        (("export", "latest", "--format", "csv", "--baseline", "main"), "give it with --frame verdicts"),
    ],
)
def test_a_wrong_request_is_one_sentence(results: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = command(*arguments, "--results", results)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_a_machine_without_pyarrow_is_told_what_to_install(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssdbench.analysis.frames.files.find_spec", lambda _name: None)
    path = results / "x.parquet"
    done = command("export", "latest", "--format", "parquet", "-o", path, "--results", results)
    assert done.code == 8
    assert "Parquet needs pyarrow, which is missing: pip install 'ssdbench[parquet]'" in done.err
    assert not path.exists()
