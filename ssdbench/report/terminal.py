"""Comparisons for a terminal of 80 columns or more; every colour has a word as well.

The first sentence says whether something regressed, where and by how much. The table has the worst case first; values
are rounded to what the spread of the launches supports.
"""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssdbench.errors import ExitCode
from ssdbench.report.contents import render_contents
from ssdbench.report.creep import render_creep
from ssdbench.report.glossary import GLOSSARY, unclear_meanings
from ssdbench.report.headline import headline
from ssdbench.report.outcome import because
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import (
    TONE_STYLES,
    case_cell,
    change_cells,
    difference_table,
    new_table,
    status_style,
    status_word,
    units,
)
from ssdbench.report.waivers import TITLE, waiver_notes
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import OWN_BASELINE_ARM, CaseVerdict, Comparison, Status

WIDE = 120
"""Columns from which the sentence of a verdict has room in its row; in narrower terminals it follows the table."""

_PASSES = (Status.UNCHANGED, Status.IMPROVED)


def render_comparison(comparison: Comparison, code: ExitCode, width: int) -> RenderableType:
    """The sentence, the table and the reasons; `width` is in columns."""
    wide = width >= WIDE
    cases = [case for case in comparison.cases if case.verdict.status is not Status.LEFT_OUT]
    parts: list[RenderableType] = [_answer(comparison, code)]
    parts += [Text(f"Suite: {suite_text(comparison.suite)}.")] if comparison.suite else []
    parts += [_context(comparison), Text(), _table(cases, wide)]
    parts += [Text(), units(case.verdict.metric for case in cases)] if cases else []
    left_out = len(comparison.cases) - len(cases)
    parts += [Text(f"left out by --case: {pluralize(left_out, 'case')} of the baseline", "dim")] if left_out else []
    meanings = unclear_meanings(case.verdict.status for case in cases)
    parts += [_meanings(meanings)] if meanings else []
    unexplained = [case for case in cases if _needs_words(case, comparison)]
    if unexplained and not wide:
        parts += [Text(), _reasons(unexplained)]
    if comparison.order_effect and comparison.order_effect.sentence:
        parts += [Text(), Text.assemble(("order within pairs: ", "yellow"), comparison.order_effect.sentence)]
    if comparison.differences:
        parts += [Text(), difference_table(comparison.differences)]
    if comparison.contents:
        parts += [Text(), render_contents(comparison.contents)]
    parts += [render_creep(creep, comparison.settings) for creep in comparison.creep]
    notes = waiver_notes(comparison)
    parts += [Text(), *(Text.assemble((f"{TITLE}: ", "yellow"), note) for note in notes)] if notes else []
    return Group(*parts)


def _answer(comparison: Comparison, code: ExitCode) -> Text:
    answer = headline(comparison, code)
    style = TONE_STYLES[answer.tone]
    return Text.assemble(
        (f"{answer.word.upper()}: ", f"bold {style}"), (f"{answer.sentence}. ", style), (answer.certainty, "dim")
    )


def _context(comparison: Comparison) -> Text:
    against = f"against {comparison.baseline}"
    if comparison.baseline_run_id is None:
        against = f"no baseline {comparison.baseline} for this hardware yet: `ssdbench baseline accept` makes one"
    elif comparison.baseline != OWN_BASELINE_ARM and comparison.baseline_run_id == comparison.run_id:
        against += ", which is this run itself"
    elif comparison.baseline_run_id not in (comparison.baseline, comparison.run_id):
        against += f" (run {comparison.baseline_run_id})"
    return Text(f"run {comparison.run_id}, {against}\non {comparison.hardware_key}", "dim")


def _table(cases: Sequence[CaseVerdict], wide: bool) -> Table:
    table = new_table("case", "baseline", "candidate", "change", "verdict")
    table.columns[-1].justify = "left"
    if wide:
        table.add_column("because", ratio=1)
    for case in cases:
        status = case.verdict.status
        word = Text(status_word(status), status_style(status))
        reason = [Text(because(case))] if wide else []
        table.add_row(case_cell(case.title), *change_cells(case.verdict), word, *reason)
    return table


def _needs_words(case: CaseVerdict, comparison: Comparison) -> bool:
    is_said_above = case.verdict.status is Status.NO_BASELINE and comparison.baseline_run_id is None
    return bool(case.notes) or not (is_said_above or case.verdict.status in _PASSES)


def _meanings(meanings: Iterable[tuple[Status, str]]) -> Text:
    lines = [f"{status_word(status)}: {meaning}" for status, meaning in meanings]
    return Text("\n".join([*lines, f"(all terms: {GLOSSARY})"]), "dim")


def _reasons(cases: Iterable[CaseVerdict]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for case in cases:
        status = case.verdict.status
        table.add_row(
            Text(status_word(status), status_style(status)), Text.assemble((case.title, "bold"), f": {because(case)}")
        )
    return table
