"""NVIDIA's published figures, a row each as printed."""

from collections.abc import Iterable

import pandas as pd

from ssdbench.analysis.frames.columns import Column, build
from ssdbench.schema.published import PublishedFigure

PUBLISHED_COLUMNS = (
    Column("container", "string", "release of the container, such as 22.10"),
    Column("system", "string", "the machine, such as DGX A100"),
    Column("gpu", "string", "GPU model and memory, such as A100-80GB"),
    Column("workload", "string", "`train`, `infer`, or `train_full` for accuracy and time to train"),
    Column("gpus", "int64", "GPUs of the figure"),
    Column("batch_size_per_gpu", "int64", "images of a step on each GPU"),
    Column("precision", "string", "`fp32`, `tf32` or `amp`"),
    Column("metric", "string", "`throughput` (global), `latency_*`, `map`, `time_to_train`, `map_*` over seeds"),
    Column("value", "float64", "the figure, in `unit`"),
    Column("unit", "string", "its unit"),
    Column("note", "string", "what is known to be wrong with it; empty for nothing"),
)
INDEX = ("gpu", "container")
"""Index levels: figures of unlike GPUs and containers stand in one frame and are kept apart by it."""


def published_frame(figures: Iterable[PublishedFigure]) -> pd.DataFrame:
    """A row for each figure, in the order of the file; `INDEX` are its index levels."""
    rows = [{column.name: getattr(figure, column.name) for column in PUBLISHED_COLUMNS} for figure in figures]
    frame: pd.DataFrame = build(PUBLISHED_COLUMNS, rows).set_index(list(INDEX))
    return frame
