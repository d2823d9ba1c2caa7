"""Frames as files for other tools: CSV and Parquet."""

from importlib.util import find_spec

import pandas as pd

from ssdbench.errors import EnvironmentLacksError
from ssdbench.schema.plain_text import csv_cell


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: all digits of every figure, an empty cell for a missing value; without its index."""
    guarded = frame.copy()
    for name in frame.columns:
        if str(frame[name].dtype) in ("string", "category"):
            guarded[name] = frame[name].astype("string").map(csv_cell, na_action="ignore")
    text: str = guarded.to_csv(index=False, lineterminator="\n")
    return text


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The frame as one Parquet file, dtypes included; without its index.

    Raises:
        EnvironmentLacksError: pyarrow is missing.
    """
    if find_spec("pyarrow") is None:
        raise EnvironmentLacksError("Parquet needs pyarrow, which is missing: pip install 'ssdbench[parquet]'")
    content: bytes = frame.to_parquet(index=False, engine="pyarrow")
    return content
