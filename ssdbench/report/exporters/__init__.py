"""The shelf of neighbours' formats: one file a format, each with `render(exported) -> str`."""
