"""Comparisons and baselines for a terminal: readable from 80 columns on, in words as well as in colours.

On top stands in one sentence whether something regressed, where, and by how much; the table below has the worst case
first. Values are rounded to what the spread of the launches supports.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.errors import ExitCode
from ssdbench.report.numbers import change_text, interval_text, shown_unit, significant_digits, spread, value_text
from ssdbench.schema.verdict import (
    METRICS,
    BaselineHeader,
    CaseFigure,
    CaseVerdict,
    Comparison,
    Difference,
    Metric,
    Status,
)

WIDE = 120
"""Columns from which a verdict's sentence fits into its row; in narrower terminals the sentences follow the table."""

_STYLES = {
    Status.REGRESSED: "bold red",
    Status.FAILED: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.UNCHANGED: "green",
    Status.IMPROVED: "bold green",
    Status.SKIPPED: "dim",
}
_GAP_STYLE = "magenta"
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
    parts: list[RenderableType] = [_headline(comparison, code), _context(comparison), Text(), _table(cases, wide)]
    parts += [Text(), _units(case.verdict.metric for case in cases)] if cases else []
    unexplained = [case for case in cases if _needs_words(case, comparison)]
    if unexplained and not wide:
        parts += [Text(), _reasons(unexplained)]
    if comparison.differences:
        parts += [Text(), _differences(comparison.differences)]
    return Group(*parts)


def render_baseline(header: BaselineHeader, figures: Sequence[CaseFigure]) -> RenderableType:
    """One baseline: why it was accepted, and the figure of each case."""
    about = Text.assemble(
        (f"baseline {header.name}", "bold"),
        f" for {header.hardware.key}\n",
        f"accepted {header.accepted_at} from run {header.run_id} of suite {header.suite}\n",
        f"because: {header.reason}",
    )
    table = _new_table("case", "value", "lowest", "highest", "launches")
    for figure in figures:
        metric = METRICS[figure.metric]
        digits = significant_digits((figure.high - figure.low) / figure.value)
        values = (_value(metric, value, digits) for value in (figure.value, figure.low, figure.high))
        table.add_row(_case(figure.title), *values, str(figure.launches))
    return Group(about, Text(), table, Text(), _units(figure.metric for figure in figures))


def render_baselines(headers: Iterable[BaselineHeader]) -> RenderableType:
    """All baselines, by hardware and name."""
    table = _new_table("hardware", "name", "accepted", "because", number_columns=False)
    for header in headers:
        accepted = Text.assemble(header.accepted_at[:10], "\n", (header.run_id, "dim"))
        table.add_row(header.hardware.key, header.name, accepted, Text(header.reason))
    return table


def _headline(comparison: Comparison, code: ExitCode) -> Text:
    counts = Counter(case.verdict.status for case in comparison.cases)
    of_all = f"of {_counted(len(comparison.cases), 'case')}"
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
    gaps = [f"{counts[status]} {_word(status)}" for status in _GAPS if counts[status]]
    return Text(f"NOT COVERED: {', '.join(gaps)} {of_all}; {seen}", f"bold {_GAP_STYLE}")


def _context(comparison: Comparison) -> Text:
    against = f"against {comparison.baseline}"
    if comparison.baseline_run_id is None:
        against = f"no baseline {comparison.baseline} for this hardware yet: see `ssdbench baseline accept --help`"
    elif comparison.baseline_run_id == comparison.run_id:
        against += ", which is this very run"
    elif comparison.baseline_run_id != comparison.baseline:
        against += f" (run {comparison.baseline_run_id})"
    return Text(f"run {comparison.run_id}, {against}\non {comparison.hardware_key}", "dim")


def _table(cases: Sequence[CaseVerdict], wide: bool) -> Table:
    table = _new_table("case", "baseline", "measured", "change", "verdict")
    table.columns[-1].justify = "left"
    if wide:
        table.add_column("because", ratio=1)
    for case in cases:
        verdict = case.verdict
        metric = METRICS[verdict.metric]
        digits = significant_digits(spread(verdict))
        row = [
            _case(case.title),
            _value(metric, verdict.baseline_value, digits),
            _value(metric, verdict.measured_value, digits),
            Text.assemble(change_text(verdict), "\n", (interval_text(verdict), "dim")),
            Text(_word(verdict.status), _style(verdict.status)),
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
        table.add_row(Text(_word(status), _style(status)), Text.assemble((case.title, "bold"), f": {_because(case)}"))
    return table


def _differences(differences: Iterable[Difference]) -> RenderableType:
    table = _new_table("what else changed", "baseline", "measured", number_columns=False)
    for difference in differences:
        table.add_row(difference.name, Text(difference.baseline), Text(difference.measured))
    return table


def _units(names: Iterable[str]) -> Text:
    metrics = [METRICS[name] for name in dict.fromkeys(names)]
    return Text("\n".join(f"{shown_unit(metric)}: {metric.description}" for metric in metrics), "dim")


def _because(case: CaseVerdict) -> str:
    return "; ".join([case.verdict.sentence, *case.notes])


def _new_table(first: str, *others: str, number_columns: bool = True) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right" if number_columns else "left", overflow="fold")
    return table


def _case(title: str) -> Text:
    name, _, conditions = title.partition(" · ")
    return Text.assemble(name, "\n", (conditions, "dim"))


def _value(metric: Metric, value: float | None, digits: int) -> Text:
    if value is None:
        return Text("-", "dim")
    return Text.assemble(value_text(metric, value, digits), "\n", (shown_unit(metric), "dim"))


def _word(status: Status) -> str:
    return status.value.replace("_", " ")


def _style(status: Status) -> str:
    return _STYLES.get(status, _GAP_STYLE)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
