"""Formats of other tools: one module for each, each with `render(run) -> str`."""
