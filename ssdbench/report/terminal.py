"""Comparisons for a terminal: readable from 80 columns on, in words as well as in colours.

On top stands in one sentence whether something regressed, where, and by how much; the table below has the worst case
first. Values are rounded to what the spread of the launches supports.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.errors import ExitCode
from ssdbench.report.numbers import change_text, interval_text, significant_digits, spread
from ssdbench.report.tables import (
    GAP_STYLE,
    case_cell,
    counted,
    difference_table,
    new_table,
    status_style,
    status_word,
    units,
    value_cell,
)
from ssdbench.schema.verdict import METRICS, OWN_BASELINE_ARM, CaseVerdict, Comparison, Status

WIDE = 120
"""Columns from which a verdict's sentence fits into its row; in narrower terminals the sentences follow the table."""

_PASSES = (Status.UNCHANGED, Status.IMPROVED)
_GAPS = (
    Status.NOT_RUN,
    Status.INCOMPARABLE,
    Status.NO_BASELINE,
    Status.STALE,
    Status.VANISHED,
    Status.SKIPPED,
)


def render_comparison(comparison: Comparison, code: ExitCode, width: int) -> RenderableType:
    """The sentence, the table and the reasons; `width` is the terminal's columns."""
    wide = width >= WIDE
    cases = comparison.cases
    parts: list[RenderableType] = [headline(comparison, code), _context(comparison), Text(), _table(cases, wide)]
    parts += [Text(), units(case.verdict.metric for case in cases)] if cases else []
    unexplained = [case for case in cases if _needs_words(case, comparison)]
    if unexplained and not wide:
        parts += [Text(), _reasons(unexplained)]
    if comparison.differences:
        parts += [Text(), difference_table(comparison.differences)]
    return Group(*parts)


def headline(comparison: Comparison, code: ExitCode) -> Text:
    """The answer in one sentence: whether something regressed, where, and by how much."""
    counts = Counter(case.verdict.status for case in comparison.cases)
    of_all = f"of {counted(len(comparison.cases), 'case')}"
    margin = f"{100 * comparison.settings.margin:g}%"
    if code is ExitCode.REGRESSED:
        worst = comparison.cases[0]
        title = METRICS[worst.verdict.metric].title
        return Text.assemble(
            (f"REGRESSED: {counts[Status.REGRESSED]} {of_all} got worse; worst: ", "bold red"),
            (f"{worst.title}, {title} {change_text(worst.verdict)}", "red"),
        )
    passed = sum(counts[status] for status in _PASSES)
    if code is ExitCode.OK:
        return Text(f"NO REGRESSION: {passed} {of_all} stayed within {margin} or got better", "bold green")
    seen = f"no regression among the {passed} judged" if passed else "no case could be judged"
    if code is ExitCode.CASE_FAILED:
        return Text(f"FAILED: {counts[Status.FAILED]} {of_all}; {seen}", "bold red")
    if code is ExitCode.INCONCLUSIVE:
        return Text(f"INCONCLUSIVE: {counts[Status.INCONCLUSIVE]} {of_all} allow no verdict; {seen}", "bold yellow")
    gaps = [f"{counts[status]} {status_word(status)}" for status in _GAPS if counts[status]]
    return Text(f"NOT COVERED: {', '.join(gaps)} {of_all}; {seen}", f"bold {GAP_STYLE}")


def _context(comparison: Comparison) -> Text:
    against = f"against {comparison.baseline}"
    if comparison.baseline_run_id is None:
        against = f"no baseline {comparison.baseline} for this hardware yet: see `ssdbench baseline accept --help`"
    elif comparison.baseline != OWN_BASELINE_ARM and comparison.baseline_run_id == comparison.run_id:
        against += ", which is this very run"
    elif comparison.baseline_run_id not in (comparison.baseline, comparison.run_id):
        against += f" (run {comparison.baseline_run_id})"
    return Text(f"run {comparison.run_id}, {against}\non {comparison.hardware_key}", "dim")


def _table(cases: Sequence[CaseVerdict], wide: bool) -> Table:
    table = new_table("case", "baseline", "measured", "change", "verdict")
    table.columns[-1].justify = "left"
    if wide:
        table.add_column("because", ratio=1)
    for case in cases:
        verdict = case.verdict
        metric = METRICS[verdict.metric]
        digits = significant_digits(spread(verdict))
        row = [
            case_cell(case.title),
            value_cell(metric, verdict.baseline_value, digits),
            value_cell(metric, verdict.measured_value, digits),
            Text.assemble(change_text(verdict), "\n", (interval_text(verdict), "dim")),
            Text(status_word(verdict.status), status_style(verdict.status)),
        ]
        table.add_row(*row, *([Text(_because(case))] if wide else []))
    return table


def _needs_words(case: CaseVerdict, comparison: Comparison) -> bool:
    said_above = case.verdict.status is Status.NO_BASELINE and comparison.baseline_run_id is None
    return bool(case.notes) or not (said_above or case.verdict.status in _PASSES)


def _reasons(cases: Iterable[CaseVerdict]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for case in cases:
        status = case.verdict.status
        table.add_row(
            Text(status_word(status), status_style(status)), Text.assemble((case.title, "bold"), f": {_because(case)}")
        )
    return table


def _because(case: CaseVerdict) -> str:
    return "; ".join([case.verdict.sentence, *case.notes])
