"""A lab: which runs, which launches, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import ssdbench
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from tests.builders import GPU_HARDWARE, a_case, a_failure, a_run, stored_sessions
from tests.cli.running import keep
from tests.trainings import a_training, a_training_run

OTHER = a_case(precision="bf16")


def on_gpu(run: Run) -> Run:
    return replace(
        run,
        header=replace(run.header, hardware=GPU_HARDWARE),
        records=tuple(replace(record, hardware=GPU_HARDWARE) for record in run.records),
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    first = a_run((a_case(), (0.1, 0.1)), (OTHER, (0.2, a_failure())), run_id="run-1")
    second = a_run(run_id="run-2", created_at="2026-01-06T12:00:00+00:00")
    plan = replace(second.header.plan, suite="nightly")
    keep(tmp_path, first, replace(second, header=replace(second.header, plan=plan)))
    return tmp_path


def test_launches_are_chosen_by_suite_run_and_case(results: Path) -> None:
    lab = ssdbench.open(results)
    assert lab.runs() == ["run-1", "run-2"]
    assert lab.runs(suite="nightly") == ["run-2"]
    assert lab.launches()["run_id"].tolist() == ["run-1"] * 4 + ["run-2"] * 3
    assert set(lab.launches(suite="nightly")["run_id"]) == {"run-2"}
    assert set(lab.launches(run="run-1")["run_id"]) == {"run-1"}
    assert len(lab.launches(run=["run-1", "latest", "run-2"])) == 7
    assert set(lab.launches(case="BF16")["case"]) == {OTHER.key}
    assert set(lab.launches(case=OTHER.key)["case"]) == {OTHER.key}
    assert len(lab.launches(run=lab.run("run-1"))) == 4


def test_launches_of_two_machines_are_refused_until_one_is_chosen(results: Path) -> None:
    keep(results, on_gpu(a_run(run_id="run-3")))
    lab = ssdbench.open(results)
    with pytest.raises(UsageError, match="2 kinds of hardware, which are never compared"):
        lab.launches()
    assert set(lab.launches(hardware="h100")["run_id"]) == {"run-3"}
    assert lab.launches(mixed=True)["hardware"].nunique() == 2
    # What is asked for is of one machine.
    assert len(lab.launches(run="run-1")) == 4


def test_a_history_of_two_machines_is_refused_until_one_is_chosen(results: Path) -> None:
    keep(results, on_gpu(a_run(run_id="run-3", created_at="2026-01-07T12:00:00+00:00")))
    lab = ssdbench.open(results)
    with pytest.raises(UsageError, match="2 series that are never compared"):
        lab.history("fp32")
    assert lab.history("fp32", hardware="h100")["run_ids"].tolist() == ["run-3"]
    assert lab.history("fp32", mixed=True)["hardware"].nunique() == 2


def test_verdicts_are_of_a_baseline_a_run_or_a_margin(results: Path) -> None:
    FileStore(results).save_baseline(stored_sessions())
    lab = ssdbench.open(results)
    assert lab.verdicts().iloc[0][["baseline", "status"]].tolist() == ["main", "unchanged"]
    against_run = lab.verdicts("run-2", baseline="run-1")
    assert set(against_run["baseline"]) == {"run-1"}
    assert against_run["status"].tolist() == ["vanished", "inconclusive"]
    assert set(lab.verdicts(margin=0.2)["margin"]) == {0.2}
    with pytest.raises(StoreError, match="no baseline 'nothing'"):
        lab.verdicts(baseline="nothing")


def test_verdicts_show_what_failed(results: Path) -> None:
    verdicts = ssdbench.open(results).verdicts("run-1").set_index("case")
    assert verdicts.loc[OTHER.key, "status"] == "failed"


def test_curves_are_of_trainings(tmp_path: Path) -> None:
    keep(tmp_path, a_training_run([a_training(1), a_training(2)]))
    lab = ssdbench.open(tmp_path)
    curves = lab.curves()
    final = curves.dropna(subset="ap").groupby("seed")["ap"].last()
    assert final.to_dict() == {1: 0.25, 2: 0.25}
    assert lab.steps().empty


def test_published_figures_are_told_apart_by_their_index(tmp_path: Path) -> None:
    lab = ssdbench.open(tmp_path)
    everything = lab.published()
    assert everything.index.names == ["gpu", "container"]
    chosen = lab.published(container="22.10", gpu="A100-80GB")
    pd.testing.assert_frame_equal(everything.loc[[("A100-80GB", "22.10")]], chosen)
    assert (chosen.query("metric == 'throughput'")["unit"] == "images/s").all()
    with pytest.raises(UsageError, match=r"nothing is published for H100 with 22\.10: A100"):
        lab.published(container="22.10", gpu="H100")


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    lab = ssdbench.open(tmp_path / "reslts")
    with pytest.raises(StoreError, match="reslts: no such folder of results"):
        lab.launches()
    with pytest.raises(StoreError, match="no run 'latest'"):
        lab.steps()
    assert not (tmp_path / "reslts").exists()


def test_an_unknown_grouping_is_one_sentence(results: Path) -> None:
    with pytest.raises(UsageError, match="by = 'week' is not known: choose"):
        ssdbench.open(results).history("train", by="week")


def test_a_run_that_was_cut_off_is_read_with_a_warning(results: Path) -> None:
    path = results / "records" / "run-2.jsonl"
    path.write_text(path.read_text()[:-40])
    lab = ssdbench.open(results)
    with pytest.warns(UserWarning, match="run-2 is incomplete"):
        assert len(lab.launches(run="run-2")) == 2


def test_a_lab_says_where_it_reads(results: Path) -> None:
    assert repr(ssdbench.open(results)) == f"ssdbench.open({str(results)!r})"
