"""The shelf of table layouts: one file a format, each with `render(tables, *, uncertainty) -> str`."""
