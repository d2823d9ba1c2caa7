"""The command line: one file per verb, composition only; the only place that prints."""

from ssdbench.cli.app import main

__all__ = ["main"]
