"""Tables about runs for a terminal: what became of the cases of one, and a line for each of several."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.numbers import significant_digits
from ssdbench.report.tables import case_cell, new_table, units, value_cell
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.run_summary import CaseOutcome, Outcome, RunList, RunSummary
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import CaseFigure

_STYLES: Mapping[Outcome, str] = {
    "measured": "green",
    "failed": "red",
    "unfinished": "yellow",
    "invalid": "yellow",
    "skipped": "dim",
}
_VERDICTS: Mapping[str, str] = {"ok": "green", "regressed": "red", "failed": "red", "inconclusive": "yellow"}


def render_outcomes(cases: Sequence[CaseOutcome]) -> RenderableType:
    """The figure of each case, how far its launches are apart, and what became of it.

    Cases that the plan skips are counted; one that the worker turned out not to support is shown.
    """
    shown = [case for case in cases if case.planned or case.outcome != "skipped"]
    table = new_table("case", "value", "spread", "launches")
    table.add_column("status", ratio=1)
    for case in shown:
        status = Text.assemble((case.outcome, _STYLES[case.outcome]), f"\n{case.reason}" if case.reason else "")
        table.add_row(case_cell(case.title), _value(case.figure), _spread(case.figure), str(case.launches), status)
    notes = Text(f"{pluralize(len(cases) - len(shown), 'case')} skipped", "dim")
    below = [units(case.figure.metric for case in shown if case.figure), *([notes] if len(shown) < len(cases) else [])]
    said = [text for text in below if text]
    return Group(table, *([Text(), *said] if said else []))


def render_runs(found: RunList) -> RenderableType:
    """Stored runs, newest first."""
    table = new_table("run", "suite, hardware", number_columns=False)
    table.columns[0].no_wrap = True  # an id is copied
    table.add_column("launches", justify="right")
    for heading in ("verdict", "baseline"):
        table.add_column(heading, overflow="fold")
    for run in found.runs:
        name = Text.assemble(run.run_id, "\n", (run.created_at[:16].replace("T", " "), "dim"))
        about = Text.assemble(run.suite, "\n", (run.hardware_key, "dim"))
        table.add_row(name, about, _launches(run), _verdict(run), ", ".join(run.baselines))
    more = Text(f"\n{pluralize(found.left_out, 'older run')} not shown; --last 0 shows all", "dim")
    return Group(table, *([more] if found.left_out else []))


def _launches(run: RunSummary) -> Text:
    count = str(run.launches) if run.launches >= run.planned else f"{run.launches} of {run.planned}"
    return Text.assemble(count, (f"\n{run.failed} failed", "red") if run.failed else "")


def _verdict(run: RunSummary) -> Text:
    return Text(run.verdict or "-", _VERDICTS.get(run.verdict or "", "dim"))


def _value(figure: CaseFigure | None) -> Text:
    if figure is None:
        return Text("-", "dim")
    return value_cell(
        METRICS[figure.metric], figure.value, significant_digits((figure.high - figure.low) / figure.value)
    )


def _spread(figure: CaseFigure | None) -> str:
    return "" if figure is None or figure.launches < 2 else percent((figure.high - figure.low) / figure.value)
