"""Formats of tables: one module for each, each with `render(tables, *, uncertainty) -> str`."""
