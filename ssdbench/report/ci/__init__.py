"""The shelf of files for CI systems: one file a format, each with `render(comparison, code) -> str`."""
