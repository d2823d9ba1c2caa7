"""Names, dtypes and meaning of a frame's columns; `build` makes every frame, so that its dtypes are fixed.

Text is pandas' `string`, whole numbers `int64` (`Int64` where a value may be missing), figures `float64` with NaN for
none, moments `datetime64[us, UTC]`. So a frame without rows has the dtypes of one with rows, in pandas 2 and 3 alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

import pandas as pd

Dtype = Literal["string", "category", "int64", "Int64", "float64", "bool", "datetime64[us, UTC]"]
TIME: Dtype = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a frame; `meaning` is its line in docs/python.md, with its unit."""

    name: str
    dtype: Dtype
    meaning: str


def build(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame with exactly these columns, a row for each of `rows`; None is a missing value.

    A moment without an offset is taken as UTC, one that cannot be read is missing (NaT).
    """
    return frame_of({column.name: _series(column, [row[column.name] for row in rows]) for column in columns})


def frame_of(columns: Mapping[str, "pd.Series[Any]"]) -> pd.DataFrame:
    """A frame of these columns, with the rows counted from 0."""
    # Annotated, because pandas-stubs for Python 3.11 and newer are opaque to mypy when it checks for 3.10.
    frame: pd.DataFrame = pd.DataFrame(dict(columns))
    return frame


def _series(column: Column, values: Any) -> "pd.Series[Any]":
    if column.dtype == TIME:
        values = [_moment(value) for value in values]
    series: pd.Series[Any] = pd.Series(values, dtype=column.dtype)
    return series


def _moment(text: str | None) -> datetime | None:
    # Not left to pandas: before 3.0 it reads a moment without an offset in that of the moment before it.
    try:
        found = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
