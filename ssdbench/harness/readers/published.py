"""NVIDIA's published tables, read from their CSV file (results/README.md describes its columns)."""

import csv
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.resources import PUBLISHED, resource
from ssdbench.schema.published import PublishedFigure, PublishedWorkload

_FILE = "nvidia_ssd300_published.csv"
_WORKLOADS: tuple[PublishedWorkload, ...] = ("train", "infer", "train_full")


def load_published(results: Path) -> list[PublishedFigure]:
    """All published figures: from the results folder if it has the file, else from the one shipped with ssdbench.

    Raises:
        StoreError: a line cannot be read.
    """
    own = results / PUBLISHED / _FILE
    return read_published(own if own.is_file() else resource(PUBLISHED, _FILE))


def read_published(path: Path) -> list[PublishedFigure]:
    """All figures of one file.

    Raises:
        StoreError: the file cannot be read; names line and column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            return [_figure(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read as CSV ({error}); restore it from version control") from None


def _figure(path: Path, line: int, row: dict[str, str]) -> PublishedFigure:
    try:
        return PublishedFigure(
            container=row["container"],
            system=row["system"],
            gpu=row["gpu"],
            workload=_WORKLOADS[_WORKLOADS.index(row["workload"])],
            gpus=int(row["gpus"]),
            batch_size_per_gpu=int(row["batch_size_per_gpu"]),
            precision=row["precision"],
            metric=row["metric"],
            value=float(row["value"]),
            decimals=len(row["value"].partition(".")[2]),
            unit=row["unit"],
            note=row["note"] or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} line {line}: not a published figure ({error}); restore the file from version control"
        ) from None
