"""What waivers did to the verdicts of a run, and what is to be put right in their file, as sentences."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.escape import markdown
from ssdbench.report.tables import new_table
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import CaseVerdict, Comparison
from ssdbench.schema.waivers import ListedWaiver, WaiverState

TITLE = "waivers"
"""What the notes of a file of waivers are called in every output."""

_STATES: Mapping[WaiverState | None, str] = {
    "used": "used",
    "ceiling_passed": "ceiling passed",
    "expired": "expired",
    "not_needed": "no longer needed",
    "idle": "nothing to waive",
    "unused": "unused",
    None: "no run of its hardware",
}
_STYLES: Mapping[WaiverState | None, str] = {"used": "", "idle": "", "ceiling_passed": "red", "expired": "red"}


def waiver_notes(comparison: Comparison) -> list[str]:
    """Waivers that are unused, expired, no longer needed, or for the same case: a sentence each."""
    return [note for use in comparison.waivers for note in use.notes]


def waiver_summary(comparison: Comparison) -> str:
    """How many waivers are to be put right, for a single line; empty where none is."""
    notes = waiver_notes(comparison)
    return f"{pluralize(len(notes), 'waiver')} to put right" if notes else ""


def cases_with_waiver(comparison: Comparison) -> list[tuple[CaseVerdict, str]]:
    """The cases that are waived, or would be but for a ceiling or a day, with the sentence on each."""
    found = [(case, case.waiver.sentence) for case in comparison.cases if case.waiver and _is_told(case)]
    return [(case, sentence) for case, sentence in found if sentence]


def waivers_markdown(comparison: Comparison) -> list[str]:
    """A paragraph with the notes as a list; no lines where there are none."""
    notes = waiver_notes(comparison)
    return ["Waivers to put right:", "", *(f"- {markdown(note)}" for note in notes), ""] if notes else []


def _is_told(case: CaseVerdict) -> bool:
    return case.waiver is not None and case.waiver.state in ("used", "ceiling_passed", "expired")


def render_waivers(waivers: Sequence[ListedWaiver]) -> RenderableType:
    """A table of all waivers of a file, and what is to be put right."""
    table = new_table("waiver", "ceiling", "last day", "state", "matches", number_columns=False)
    for item in waivers:
        waiver = item.waiver
        about = [waiver.hardware, waiver.metric, waiver.owner, one_line(waiver.issue), one_line(waiver.reason)]
        table.add_row(
            Text.assemble(one_line(waiver.case), "\n", ("\n".join(filter(None, about)), "dim")),
            Text(f"{100 * waiver.ceiling:g}%"),
            Text.assemble(waiver.expires, "\n", (_left(item.days_left), "dim")),
            Text(_STATES[item.state], _STYLES.get(item.state, "yellow")),
            Text(pluralize(len(item.cases), "case") if item.state else "-"),
        )
    notes = dict.fromkeys(note for item in waivers for note in item.notes)
    return Group(table, *([Text()] if notes else []), *(Text(note) for note in notes))


def _left(days: int) -> str:
    if days < 0:
        return f"expired {pluralize(-days, 'day')} ago"
    return f"expires in {pluralize(days, 'day')}" if days else "expires today"
