"""Metrics that are not gated, for a terminal: values and the interval of the change, without a verdict."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.numbers import change_text, interval_text, significant_digits, spread
from ssdbench.report.tables import case_cell, new_table, units, value_cell
from ssdbench.schema.verdict import METRICS, MetricChange


def render_ungated(changes: Sequence[MetricChange]) -> RenderableType:
    """One row a metric, below the case that it is of; changes are as measured, whichever way is better."""
    table = new_table("not gated, not judged", "baseline", "measured", "change")
    case = None
    for change in changes:
        if change.case_key != case:
            table.add_row(case_cell(change.title))
            case = change.case_key
        metric, digits = METRICS[change.metric], significant_digits(spread(change))
        table.add_row(
            Text(f"  {metric.title}"),
            value_cell(metric, change.baseline_value, digits),
            value_cell(metric, change.measured_value, digits),
            Text.assemble(change_text(change), "\n", (interval_text(change), "dim")),
        )
    return Group(Text(), table, Text(), units(change.metric for change in changes))
