"""Raw samples as rows."""

from dataclasses import replace

import pytest

from ssdbench.analysis.frames.steps import (
    CURVE_COLUMNS,
    PHASE_COLUMNS,
    STEP_COLUMNS,
    curves_frame,
    phases_frame,
    steps_frame,
)
from ssdbench.schema.record import PhaseTimes, Run
from tests.builders import a_case, a_failure, a_measurement, a_record, a_run
from tests.trainings import EPOCHS, VALIDATIONS, a_training, a_training_run

STEPS = tuple(0.1 + n / 100 for n in range(12))
PHASES = (PhaseTimes(name="fetch", seconds=(0.01, 0.02)), PhaseTimes(name="forward", seconds=(0.03,)))


def a_phased_run() -> Run:
    measured = a_measurement(step_seconds=STEPS, phases=PHASES, losses=None)
    return replace(a_run((a_case(), (0.1, a_failure()))), records=(a_record(measurement=measured),))


@pytest.mark.parametrize(
    ("frame_of", "columns"),
    [(steps_frame, STEP_COLUMNS), (phases_frame, PHASE_COLUMNS), (curves_frame, CURVE_COLUMNS)],
    ids=["steps", "phases", "curves"],
)
def test_a_frame_has_its_columns_and_dtypes_with_rows_and_without(frame_of, columns) -> None:
    empty = replace(a_run(), records=())
    for run in (empty, a_phased_run(), a_training_run([a_training()])):
        found = {name: str(dtype) for name, dtype in frame_of(run).dtypes.items()}
        assert found == {column.name: column.dtype for column in columns}


def test_every_step_is_a_row_and_the_warm_up_is_told_apart() -> None:
    frame = steps_frame(a_phased_run())
    assert tuple(frame["step_seconds"]) == STEPS
    assert frame["is_timed"].tolist() == [False] * 2 + [True] * 10
    assert frame["step"].tolist() == list(range(12))
    assert frame["loss"].isna().all()
    assert frame["usable"].all()


def test_an_invalid_launch_has_steps_that_are_not_usable() -> None:
    run = a_run((a_case(), (0.1, 0.2, a_failure())))
    invalid = replace(run.records[0], invalid_reason="a clock was locked")
    frame = steps_frame(replace(run, records=(invalid, *run.records[1:])))
    assert frame.groupby("launch")["usable"].all().to_dict() == {0: False, 1: True}


def test_phases_have_a_row_for_each_instrumented_step() -> None:
    frame = phases_frame(a_phased_run())
    assert frame[["phase", "step", "phase_seconds"]].to_numpy().tolist() == [
        ["fetch", 0, 0.01],
        ["fetch", 1, 0.02],
        ["forward", 0, 0.03],
    ]


def test_curves_have_a_row_for_each_epoch_and_figures_where_it_was_evaluated() -> None:
    frame = curves_frame(a_training_run([a_training(1), a_training(2, epochs_done=4), None]))
    assert frame.groupby("seed").size().to_dict() == {1: EPOCHS, 2: 4}
    assert frame.groupby("seed")["usable"].all().to_dict() == {1: True, 2: False}
    whole = frame[frame["seed"] == 1]
    assert tuple(whole.loc[whole["ap"].notna(), "epoch"]) == VALIDATIONS
    assert whole["ap"].iloc[-1] == 0.25
    assert whole["global_throughput_images_per_second"].tolist() == [64.0] * EPOCHS
