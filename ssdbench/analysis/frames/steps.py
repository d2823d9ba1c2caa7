"""The raw samples of a run: a row for each step, for each phase of an instrumented step, and for each epoch."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from ssdbench.analysis.frames.columns import TIME, Column, build, frame_of
from ssdbench.analysis.frames.launches import CONDITIONS, IDENTITY, conditions_cells, identity, is_usable
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.schema.record import Record, Run
from ssdbench.schema.training import EpochResult, Evaluation, Training

# The text columns repeat for thousands of steps: as categories they take a byte or two a row.
_LAUNCH = tuple(
    Column(column.name, "category" if column.dtype == "string" else column.dtype, column.meaning)
    for column in (*IDENTITY, *CONDITIONS[:2])
    if column.name not in ("suite", "title", "order")
)
_USABLE = Column("usable", "bool", "whether verdicts, tables and histories use this launch")
STEP_COLUMNS = (
    *_LAUNCH,
    _USABLE,
    Column("step", "int64", "number of the step within the launch, from 0, warm-up included"),
    Column("is_timed", "bool", "whether the step is in the timed region, after the warm-up"),
    Column("step_seconds", "float64", "time of the step on its slowest rank [s]"),
    Column("fetch_seconds", "float64", "the part of it that the slowest rank waited for its batch [s]"),
    Column("loss", "float64", "mean loss over the ranks; missing where nothing is trained"),
)
PHASE_COLUMNS = (
    *_LAUNCH,
    _USABLE,
    Column("phase", "category", "phase of a step, such as `fetch`, `forward`, `backward`"),
    Column("step", "int64", "number of the instrumented step, from 0; these come after the timed region"),
    Column("phase_seconds", "float64", "time on the rank that is slowest in this phase, the device waited for [s]"),
)
_FIGURES = tuple(field.name for field in fields(Evaluation) if field.type is float or field.type == "float")
CURVE_COLUMNS = (
    *(column for column in (*IDENTITY, *CONDITIONS[:2]) if column.name not in ("suite", "title", "order")),
    Column("usable", "bool", "whether the training is whole, valid, and was not tried again"),
    Column("failure", "string", "why the training did not end well; missing where it did"),
    Column("seed", "int64", "seed of the training"),
    Column("started_at", TIME, "when the training began"),
    Column("epoch", "int64", "the epoch, from 0"),
    Column("iterations", "int64", "steps since the start of training, this epoch included"),
    Column("images", "int64", "images of the epoch on all ranks (global)"),
    Column("train_seconds", "float64", "time of the epoch without evaluation [s]"),
    Column("evaluation_seconds", "float64", "time of its evaluation [s]; 0 for none"),
    Column("checkpoint_seconds", "float64", "time of writing its checkpoints [s]"),
    Column("global_throughput_images_per_second", "float64", "images over `train_seconds` (global) [images/s]"),
    Column("mean_loss", "float64", "mean loss of the epoch, over all ranks"),
    Column("learning_rate", "float64", "learning rate of the last step"),
    Column("protocol", "string", "which detections count: `every-image` or `published`; missing without evaluation"),
    *(Column(name, "float64", f"COCO's {name.replace('_', ' ').upper()}, in [0, 1]") for name in _FIGURES),
)


def steps_frame(run: Run) -> pd.DataFrame:
    """A row for each step of each measured launch, warm-up included, in the order of measurement."""
    usable = _usable_ids(run)
    parts = []
    for record in run.records:
        measured = record.measurement
        if measured is None:
            continue
        steps = len(measured.step_seconds)
        parts.append(
            _repeated(run, record, record.id in usable, steps)
            | {
                "step": np.arange(steps),
                "is_timed": np.arange(steps) >= measured.warmup_steps,
                "step_seconds": _padded(measured.step_seconds, steps),
                "fetch_seconds": _padded(measured.fetch_seconds, steps),
                "loss": _padded(measured.losses or (), steps),
            }
        )
    return _joined(STEP_COLUMNS, parts)


def phases_frame(run: Run) -> pd.DataFrame:
    """A row for each phase of each instrumented step of each launch that has them."""
    usable = _usable_ids(run)
    parts = [
        _repeated(run, record, record.id in usable, len(phase.seconds))
        | {
            "phase": np.repeat(np.array([phase.name], dtype=object), len(phase.seconds)),
            "step": np.arange(len(phase.seconds)),
            "phase_seconds": _padded(phase.seconds, len(phase.seconds)),
        }
        for record in run.records
        if record.measurement
        for phase in record.measurement.phases
    ]
    return _joined(PHASE_COLUMNS, parts)


def curves_frame(run: Run) -> pd.DataFrame:
    """A row for each finished epoch of each training of the run, also of one that failed later."""
    usable = _usable_ids(run)
    return build(
        CURVE_COLUMNS,
        [
            _epoch(run, record, training, result, usable=record.id in usable)
            for record in run.records
            if (training := record.training) is not None
            for result in training.results
        ],
    )


def _epoch(run: Run, record: Record, training: Training, result: EpochResult, *, usable: bool) -> dict[str, Any]:
    found = result.evaluation
    return {
        **identity(run, record),
        **conditions_cells(record),
        "usable": usable,
        "failure": record.failure.message if record.failure else record.invalid_reason,
        "seed": training.seed,
        "started_at": training.started_at,
        "global_throughput_images_per_second": result.images_per_second,
        "protocol": found.protocol if found else None,
        **{name: getattr(found, name, None) for name in _FIGURES},
        **{
            name: getattr(result, name)
            for name in ("epoch", "iterations", "images", "train_seconds", "evaluation_seconds", "checkpoint_seconds")
        },
        "mean_loss": result.mean_loss,
        "learning_rate": result.learning_rate,
    }


def _usable_ids(run: Run) -> set[str]:
    return {record.id for arm in split_arms(run) for record in arm.records if is_usable(record)}


def _repeated(run: Run, record: Record, is_usable: bool, rows: int) -> dict[str, Any]:
    cells = identity(run, record) | conditions_cells(record) | {"usable": is_usable}
    return {
        column.name: np.repeat(np.array([cells[column.name]], dtype=_element(column)), rows)
        for column in (*_LAUNCH, _USABLE)
    }


def _element(column: Column) -> str:
    return "object" if column.dtype in ("category", "Int64") else column.dtype


def _padded(samples: Sequence[float], rows: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The samples, and NaN where there are fewer of them than rows."""
    found = np.full(rows, np.nan)
    found[: len(samples)] = samples[:rows]
    return found


def _joined(columns: Iterable[Column], parts: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return frame_of(
        {
            column.name: pd.Series(
                np.concatenate([part[column.name] for part in parts]) if parts else [], dtype=column.dtype
            )
            for column in columns
        }
    )
