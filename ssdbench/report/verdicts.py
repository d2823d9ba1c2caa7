"""Verdicts on a table of launches, for a terminal: the count in one sentence, then one row a case, worst first."""

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.report.numbers import change_text, interval_text, rounded, significant_digits, spread
from ssdbench.schema.verdict import CaseVerdict, Mode, Status

_STYLES = {
    Status.REGRESSED: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.UNCHANGED: "green",
    Status.IMPROVED: "bold green",
}


def render_verdicts(cases: Sequence[CaseVerdict], mode: Mode) -> RenderableType:
    """The sentence, the table, and a sentence for each case that did not pass or has a note."""
    counts = Counter(case.verdict.status for case in cases)
    ordered = sorted(cases, key=lambda case: list(_STYLES).index(case.verdict.status))
    said = ", ".join(f"{counts[status]} {status.value}" for status in _STYLES if counts[status])
    worst = ordered[0].verdict.status
    head = Text.assemble((f"{worst.value.upper()}: ", _STYLES[worst]), f"{said} ({mode.value})")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("case", overflow="fold")
    for name in ("baseline", "candidate", "change", "launches", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right", overflow="fold")
    for case in ordered:
        table.add_row(*_cells(case))
    parts: list[RenderableType] = [head, Text(), table]
    reasons = [case for case in ordered if case.verdict.status is not Status.UNCHANGED or case.notes]
    for case in reasons:
        sentence = "; ".join([case.verdict.sentence, *case.notes])
        parts += [Text(), Text.assemble((case.title, "bold"), f": {sentence}")]
    return Group(*parts)


def _cells(case: CaseVerdict) -> list[Text]:
    verdict = case.verdict
    digits = significant_digits(spread(verdict))
    values = (verdict.baseline_value, verdict.measured_value)
    return [
        Text(case.title),
        *(Text("-", "dim") if value is None else Text(rounded(value, digits)) for value in values),
        Text.assemble(change_text(verdict), "\n", (interval_text(verdict), "dim")),
        Text(f"{verdict.baseline_launches}+{verdict.measured_launches}"),
        Text(verdict.status.value, _STYLES[verdict.status]),
    ]
