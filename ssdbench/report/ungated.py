"""Metrics that are not gated, for a terminal: values and the change with its interval, without a verdict."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.tables import case_cell, change_cells, new_table, units
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import MetricChange


def render_ungated(changes: Sequence[MetricChange]) -> RenderableType:
    """A row for each metric, below its case; a change is of the value as measured, whichever direction is better."""
    table = new_table("not gated", "baseline", "candidate", "change")
    case = None
    for change in changes:
        if change.case_key != case:
            table.add_row(case_cell(change.title))
            case = change.case_key
        table.add_row(Text(f"  {METRICS[change.metric].title}"), *change_cells(change))
    return Group(Text(), table, Text(), units(change.metric for change in changes))
