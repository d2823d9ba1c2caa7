"""The shelf of readers of neighbours' formats: one file a format, each with `read(path) -> list[ImportedValue]`."""
