"""Runs, verdicts and histories as pandas DataFrames, for the Python API, `export` and `table --format parquet`."""
