"""Verdicts on a table of launches, for a terminal: the counts in a sentence, then a row for each case, worst first."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.headline import no_interval_reason
from ssdbench.report.numbers import change_text, interval_text, rounded, significant_digits, spread
from ssdbench.report.outcome import because
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import new_table, status_style
from ssdbench.schema.metrics import Direction
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.verdict import CaseVerdict, Mode, Status

_WORST_FIRST = (Status.REGRESSED, Status.INCONCLUSIVE, Status.UNCHANGED, Status.IMPROVED)


def render_verdicts(
    cases: Sequence[CaseVerdict], mode: Mode, directions: Collection[Direction], suite: SuiteChange | None = None
) -> RenderableType:
    """The sentence, the table, and a sentence for each case that is not unchanged or has a note.

    `directions` are those of the values; `suite` is the change of all cases together.
    """
    better = f"{next(iter(directions)).word} is better" if len(directions) == 1 else "better as each metric says"
    counts = Counter(case.verdict.status for case in cases)
    ordered = sorted(cases, key=lambda case: _WORST_FIRST.index(case.verdict.status))
    listed = ", ".join(f"{counts[status]} {status.value}" for status in _WORST_FIRST if counts[status])
    worst = ordered[0].verdict.status
    head = Text.assemble(
        (f"{worst.value.upper()}: ", f"bold {status_style(worst)}"), f"{listed} ({mode.value}; {better})"
    )
    table = new_table("case", "baseline", "candidate", "change", "launches", "verdict")
    table.columns[-1].justify = "left"
    for case in ordered:
        table.add_row(*_cells(case))
    reason = no_interval_reason([case.verdict for case in cases], cases[0].verdict.settings)
    parts: list[RenderableType] = [
        head,
        *([Text(reason)] if reason else []),
        *([Text(f"Suite: {suite_text(suite)}.")] if suite else []),
        Text(),
        table,
    ]
    reasons = [case for case in ordered if case.verdict.status is not Status.UNCHANGED or case.notes]
    for case in reasons:
        parts += [Text(), Text.assemble((case.title, "bold"), f": {because(case)}")]
    return Group(*parts)


def _cells(case: CaseVerdict) -> list[Text]:
    verdict = case.verdict
    digits = significant_digits(spread(verdict))
    values = (verdict.baseline_value, verdict.candidate_value)
    return [
        Text(case.title),
        *(Text("-", "dim") if value is None else Text(rounded(value, digits)) for value in values),
        Text.assemble(change_text(verdict), "\n", (interval_text(verdict), "dim")),
        Text(f"{verdict.baseline_launches}+{verdict.candidate_launches}"),
        Text(verdict.status.value, status_style(verdict.status)),
    ]
