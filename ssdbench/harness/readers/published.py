"""NVIDIA's published tables, read from their CSV file (results/README.md describes its columns)."""

import csv
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.schema.published import PublishedFigure, PublishedWorkload

_FILE = Path("published/nvidia_ssd300_published.csv")
_SOURCE_TREE = Path(__file__).parents[3] / "results"
_WORKLOADS: tuple[PublishedWorkload, ...] = ("train", "infer", "train_full")


def load_published(results: Path) -> list[PublishedFigure]:
    """All published figures: from the folder of results where it has them, else from ssdbench's own source tree.

    Raises:
        StoreError: neither has the file, or a line cannot be read.
    """
    places = [folder / _FILE for folder in (results, _SOURCE_TREE)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise StoreError(f"{places[0]}: no such file; take it from ssdbench's repository, results/{_FILE}")
    return read_published(path)


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
