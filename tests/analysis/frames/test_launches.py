"""Launches as rows: nothing is lost, figures are those of metrics, and unlike launches are not mixed in silence."""

from dataclasses import replace

import pandas as pd
import pytest

from ssdbench.analysis.frames.columns import Column, build
from ssdbench.analysis.frames.comparable import refuse_mixed
from ssdbench.analysis.frames.launches import COLUMNS, figure_column, launches_frame
from ssdbench.analysis.metrics import figure
from ssdbench.errors import UsageError
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.record import BaselineArm, ContainerImage, Run
from tests.builders import GPU_HARDWARE, a_case, a_failure, a_measurement, a_record, a_run
from tests.trainings import a_training, a_training_run

IMAGE = ContainerImage(reference="nvcr.io/nvidia/pytorch:26.02-py3")
BASELINE_IMAGE = ContainerImage(reference="nvcr.io/nvidia/pytorch:26.01-py3")


def test_a_frame_has_its_columns_and_dtypes_with_rows_and_without() -> None:
    expected = {column.name: column.dtype for column in COLUMNS}
    for frame in (launches_frame([]), launches_frame([a_run((a_case(), (0.1, a_failure())))])):
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected
        assert isinstance(frame.index, pd.RangeIndex)


def test_every_metric_is_a_column_with_its_unit_and_has_the_figure_of_metrics() -> None:
    run = a_run((a_case(), (0.1, 0.3)))
    frame = launches_frame([run])
    for metric in METRICS.values():
        found = frame[figure_column(metric)]
        for value, record in zip(found, run.records, strict=True):
            assert record.measurement is not None
            expected = figure(metric.name, record.measurement)
            assert pd.isna(value) if expected is None else value == expected
    assert frame["global_throughput_images_per_second"].tolist() == pytest.approx([20.0, 2 / 0.3])


def test_failed_invalid_and_replaced_launches_are_rows_that_are_not_usable() -> None:
    run = a_run((a_case(), (0.1, a_failure("timeout", "took too long"), 0.2)))
    invalid = replace(run.records[2], invalid_reason="a clock was locked")
    again = replace(run.records[2], id="again", order=3, replacement=1)
    frame = launches_frame([replace(run, records=(*run.records[:2], invalid, again))])
    assert list(frame["usable"]) == [True, False, False, True]
    assert list(frame["replaced"]) == [False, False, True, False]
    assert list(frame["failure_kind"].fillna("")) == ["", "timeout", "", ""]
    assert list(frame["failure"].fillna("")) == ["", "took too long", "", ""]
    assert list(frame["invalid_reason"].fillna("")) == ["", "", "a clock was locked", ""]
    # It was measured all the same, and its figure can be looked at.
    assert frame["latency_p50_seconds"].notna().tolist() == [True, False, True, True]


def test_both_arms_are_there_each_with_its_image() -> None:
    run = a_run()
    header = replace(
        run.header,
        options=replace(run.header.options, image=IMAGE),
        baseline_arm=BaselineArm(python="python", source="/src", image=BASELINE_IMAGE),
    )
    baseline = tuple(replace(record, id=f"b/{record.id}", arm="baseline") for record in run.records)
    frame = launches_frame([Run(header=header, records=(*run.records, *baseline))])
    assert frame.groupby("arm")["container_image"].unique().map(list).to_dict() == {
        "candidate": [IMAGE.reference],
        "baseline": [BASELINE_IMAGE.reference],
    }
    assert frame["usable"].all()


def test_a_training_is_usable_where_it_is_whole() -> None:
    frame = launches_frame([a_training_run([a_training(1), a_training(2, epochs_done=3), None])])
    assert list(frame["usable"]) == [True, False, False]
    assert frame["seed"].tolist() == [1, 2, pd.NA]


def test_launches_of_one_kind_may_be_put_together() -> None:
    refuse_mixed([a_run((a_case(), (0.1, a_failure()))), a_run(run_id="run-2")])
    refuse_mixed([])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (a_run(run_id="run-2", hardware=GPU_HARDWARE), "2 kinds of hardware, which are never compared (1x-nvidia-h100"),
        (
            a_run((a_case(batch_size_per_gpu=4), (a_failure(),)), run_id="run-2", hardware=GPU_HARDWARE),
            "choose with hardware=..., or take all with mixed=True",
        ),
        (
            replace(a_run(), records=(a_record(measurement=a_measurement(workload_version=2)),)),
            "workload train: these launches differ in workload version (1, 2)",
        ),
        (
            # Of another case of the workload: a mean over both would be of neither version.
            replace(
                a_run(),
                records=(a_record(case=a_case(precision="bf16"), measurement=a_measurement(workload_version=2)),),
            ),
            "workload train: these launches differ in workload version (1, 2)",
        ),
        (
            replace(a_run(), records=(a_record(measurement=a_measurement(warmup_steps=3)),)),
            "differ in warm-up steps (2, 3)",
        ),
        (replace(a_run(), records=(replace(a_record(), dataset=None),)), "differ in images (-, synthetic-64 (f00d))"),
    ],
)
def test_unlike_launches_are_refused_with_a_remedy(other: Run, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_mixed([a_run(), other])
    assert sentence in str(refused.value)
    assert "mixed=True and group by `hardware` and `conditions`" in str(refused.value)


def test_conditions_tell_apart_what_is_never_compared() -> None:
    slower = replace(a_run(), records=(a_record(measurement=a_measurement(warmup_steps=3)),))
    frame = launches_frame([a_run(), slower])
    assert frame["conditions"].nunique() == 2
    assert frame.groupby(["hardware", "conditions"]).size().tolist() == [3, 1]


def test_moments_are_utc_and_one_that_cannot_be_read_is_missing() -> None:
    column = Column("at", "datetime64[us, UTC]", "")
    frame = build([column], [{"at": text} for text in ("2026-01-05T13:00:00+01:00", "2026-01-05T12:00:00", "?", None)])
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"
    assert list(frame["at"].dt.hour.fillna(-1)) == [12, 12, -1, -1]


def test_of_two_launches_in_one_place_the_last_is_usable() -> None:
    run = a_run((a_case(), (0.1,)))
    again = replace(run.records[0], id="again", order=1, replacement=1)
    frame = launches_frame([replace(run, records=(*run.records, again))])
    assert frame["usable"].tolist() == [False, True]
    assert frame["replaced"].tolist() == [True, False]
