"""Creep: how far a run is from the anchor and the last release, as a sentence, in Markdown, and for a terminal."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.escape import markdown
from ssdbench.report.figures import change, values
from ssdbench.report.numbers import change_text
from ssdbench.report.tables import GAP_STYLE, case_cell, change_cells, new_table
from ssdbench.schema.acceptance import Against
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Comparison, Creep

KEPT: Mapping[Against, str] = {"baseline": "the baseline", "anchor": "the anchor", "release": "the last release"}
"""What a run is compared with, in words."""


def has_crept(comparison: Comparison) -> bool:
    """Whether a case is worse than older results by more than the margin."""
    return any(creep.worse for creep in comparison.creep)


def creep_text(creep: Creep, settings: Settings, *, names_worst: bool = True) -> str:
    """One sentence: how many cases are worse than the older results, which most, and by how much."""
    since = f"since {creep.measured_at[:10]} (run {creep.run_id}, {KEPT[creep.against]} of {creep.baseline})"
    margin = f"{100 * settings.margin:g}%"
    if not creep.compared_cases:
        return f"creep is not known: no case can be compared with that of {since.removeprefix('since ')}"
    also = f"; {pluralize(creep.allowed_cases, 'case')} more with an allowed regression" if creep.allowed_cases else ""
    also += f"; {pluralize(len(creep.waived), 'case')} more waived" if creep.waived else ""
    if not creep.worse:
        return f"no creep: no case is worse by more than {margin} {since}{also}"
    worst = creep.worse[0]
    much = f"; worst: {worst.title}, {change_text(worst.verdict)}" if names_worst else ""
    of_all = f"{len(creep.worse)} of {pluralize(creep.compared_cases, 'case')}"
    return f"creep: {of_all} worse by more than {margin} {since}{also}{much}"


def creep_texts(comparison: Comparison) -> list[str]:
    """The sentence on each of the older results."""
    return [creep_text(creep, comparison.settings) for creep in comparison.creep]


def creep_markdown(creep: Creep, settings: Settings, most: int) -> list[str]:
    """A paragraph, and a table of at most `most` cases where some are worse; lines."""
    if not creep.worse:
        return [f"{markdown(capital(creep_text(creep, settings)))}."]
    lines = [
        f"**{markdown(capital(creep_text(creep, settings, names_worst=False)))}.**",
        "",
        f"| case | {creep.against} | candidate | change |",
        "|---|--:|--:|--:|",
    ]
    rows = [[case.title, *values(case), change(case)] for case in creep.worse[:most]]
    lines += [f"| {' | '.join(map(markdown, row))} |" for row in rows]
    more = len(creep.worse) - most
    return [*lines, "", f"and {pluralize(more, 'more case')}"] if more > 0 else lines


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def render_creep(creep: Creep, settings: Settings) -> RenderableType:
    """How far a run is from older results, with the cases that are worse by more than the margin."""
    if not creep.worse:
        return Text(f"\n{creep_text(creep, settings)}", "dim")
    # The table names the worst first.
    _, _, sentence = creep_text(creep, settings, names_worst=False).partition(": ")
    headline = Text(f"\nCREEP: {sentence}", f"bold {GAP_STYLE}")
    table = new_table("case", creep.against, "candidate", "change")
    for case in creep.worse:
        table.add_row(case_cell(case.title), *change_cells(case.verdict))
    return Group(headline, Text(), table)
