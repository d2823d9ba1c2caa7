"""The suite as a library: measurements, verdicts and histories as pandas DataFrames (docs/python.md)."""
