"""Baselines for a terminal: what was accepted and why, allowed regressions, and the change since the anchor."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.report.numbers import shown_unit, significant_digits, value_text
from ssdbench.report.tables import (
    GAP_STYLE,
    case_cell,
    change_cells,
    difference_table,
    new_table,
    status_style,
    status_word,
    units,
    value_cell,
)
from ssdbench.schema.acceptance import Acceptance, AcceptedRegression
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import Baseline, BaselineHeader, CaseFigure, CaseVerdict, Comparison, Status

_DIFF_WORDS = {
    Status.NO_BASELINE: "added",
    Status.VANISHED: "dropped",
    Status.LEFT_OUT: "dropped",
    Status.SKIPPED: "dropped",
}


def render_baseline(
    baseline: Baseline,
    figures: Sequence[CaseFigure],
    anchor_figures: Sequence[CaseFigure] = (),
    unfit: Mapping[str, str] = MappingProxyType({}),
) -> RenderableType:
    """One baseline: why it was accepted, the value of each case, and all acceptances before it.

    `anchor_figures` are the oldest values kept; the last column has the change of each case since. `unfit` has the
    titles of cases that do not fit into the GPU's memory, by case key.
    """
    header = baseline.header
    about = Text.assemble(
        (f"baseline {header.name}", "bold"),
        f" for {header.hardware.key}\n",
        f"accepted {header.accepted_at} from {_runs(header)} of suite {header.suite}\n",
        f"because: {header.reason}",
    )
    oldest = {figure.case_key: figure.value for figure in anchor_figures}
    table = new_table("case", "value", "lowest..highest", "launches", *(["since anchor"] if oldest else []))
    for figure in figures:
        metric = METRICS[figure.metric]
        digits = significant_digits((figure.high - figure.low) / figure.value)
        extremes = "..".join(value_text(metric, value, digits) for value in (figure.low, figure.high))
        since = [_since(figure.value, oldest.get(figure.case_key))] if oldest else []
        value = value_cell(metric, figure.value, digits)
        table.add_row(case_cell(figure.title), value, extremes, str(figure.launches), *since)
    parts: list[RenderableType] = [about, Text(), table, Text(), units(figure.metric for figure in figures)]
    if unfit:
        parts += [Text(), Text("\n".join(f"does not fit into the GPU's memory: {title}" for title in unfit.values()))]
    if baseline.history:
        titles = {figure.case_key: figure.title for figure in (*anchor_figures, *figures)}
        parts += [Text(), _history(baseline.history, titles)]
    return Group(*parts)


def render_baselines(headers: Iterable[BaselineHeader]) -> RenderableType:
    """All baselines, by hardware and name."""
    table = new_table("hardware", "name", "accepted", "because", number_columns=False)
    for header in headers:
        accepted = Text.assemble(header.accepted_at[:10], "\n", (header.run_id, "dim"))
        table.add_row(header.hardware.key, header.name, accepted, Text(header.reason))
    return table


def render_diff(comparison: Comparison, left: str, right: str) -> RenderableType:
    """Two baselines, or a baseline and a run: the values of both, cases added and dropped, what else differs."""
    changed = Text.assemble((left, "bold"), " -> ", (right, "bold"), f"\non {comparison.hardware_key}")
    parts: list[RenderableType] = [changed, Text(), _changes(comparison.cases, left, right, _DIFF_WORDS)]
    if comparison.cases:
        parts += [Text(), units(case.verdict.metric for case in comparison.cases)]
    unlike = [case for case in comparison.cases if case.verdict.status is Status.INCOMPARABLE]
    for case in unlike:
        parts.append(Text.assemble("\n", (case.title, "bold"), f": {case.verdict.sentence}"))
    if comparison.differences:
        parts += [Text(), difference_table(comparison.differences, left, right)]
    return Group(*parts)


def _changes(cases: Iterable[CaseVerdict], left: str, right: str, words: Mapping[Status, str]) -> Table:
    table = new_table("case", left, right, "change", "verdict")
    table.columns[-1].justify = "left"
    for case in cases:
        status = case.verdict.status
        word = Text(words.get(status, status_word(status)), status_style(status))
        table.add_row(case_cell(case.title), *change_cells(case.verdict), word)
    return table


def _history(history: Sequence[Acceptance], titles: Mapping[str, str]) -> Table:
    table = new_table("accepted", "because", number_columns=False)
    for entry in reversed(history):
        because = Text(entry.reason)
        if entry.reset_anchor:
            because.append("\nbecame the anchor", "dim")
        for key in entry.cases or ():
            because.append(f"\nonly: {titles.get(key, key)}", "dim")
        for bar in entry.accepted_regressions:
            because.append(
                f"\nallowed: {titles.get(bar.case_key, bar.case_key)}, {accepted_regression_text(bar)}", "red"
            )
        for key in entry.dropped:
            because.append(f"\ndropped: {titles.get(key, key)}", GAP_STYLE)
        accepted = Text.assemble(entry.accepted_at[:10], ("\n" + "\n".join(entry.run_ids), "dim"))
        table.add_row(accepted, because)
    return table


def accepted_regression_text(bar: AcceptedRegression) -> str:
    """Old value, new value, and the change from what was undercut."""
    metric = METRICS[bar.metric]
    digits = max(3, significant_digits(abs(bar.change)))
    old, new = (value_text(metric, value, digits) for value in (bar.old_value, bar.new_value))
    return f"{old} -> {new} {shown_unit(metric)} ({percent(bar.change, sign='+')} from the {bar.against})"


def _since(value: float, oldest: float | None) -> Text:
    return Text("-", "dim") if oldest is None else Text(percent(value / oldest - 1, 1, sign="+"))


def _runs(header: BaselineHeader) -> str:
    others = len(header.sessions) - 1
    return f"run {header.run_id}" + (f" and {pluralize(others, 'session')} more" if others > 0 else "")
