"""Files for CI systems: one module for each format, each with `render(comparison, code) -> str`."""
