"""Readers of other tools' formats: one module per format, each with `read(path) -> list[ImportedValue]`."""
