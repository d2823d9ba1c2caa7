"""Creep, as the verbs that judge print it."""

from rich.console import Console

from ssdbench.report.baselines import render_creep
from ssdbench.workflows.creep import Creep


def print_creep(console: Console, creep: Creep) -> None:
    """Print how a run compares with results that are kept to notice creep."""
    keys = [bar.case_key for bar in creep.lowered]
    console.print(render_creep(creep.comparison, creep.kept, creep.against, keys, creep.allowed_cases))
