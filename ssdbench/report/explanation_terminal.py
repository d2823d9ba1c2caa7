"""Explanations for a terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report import explanations
from ssdbench.report.tables import new_table
from ssdbench.schema.explanation import Explanation


def render_explanations(found: Sequence[Explanation], *, short: bool = False) -> RenderableType:
    """All explanations; `short`: without what adds up to a step."""
    return Group(*(part for one in found for part in _render(one, short=short)), Text(explanations.MEANING, "dim"))


def _beside(found: Explanation, *, short: bool) -> Iterator[RenderableType]:
    """What else differs; `short`: what may be behind a cause alone, as the rest is told beside the verdicts."""
    if listed := explanations.linked(found):
        yield Text(explanations.LINKED)
        yield from (Text(f"{number}. {text}") for number, text in enumerate(listed, start=1))
    if not short and (rest := explanations.unlinked(found)):
        yield Text(f"{explanations.UNLINKED}: {rest}", "dim")


def _render(found: Explanation, *, short: bool) -> Iterator[RenderableType]:
    yield Text.assemble(("Why: ", "bold"), (found.title, "bold"))
    yield Text(explanations.answer(found), "yellow" if found.refusal else "")
    yield Text("\n".join(explanations.facts(found)), "dim")
    for number, cause in enumerate(explanations.causes(found), start=1):
        yield Text(f"{number}. {cause.what}: {cause.seconds}")
        yield from (Text(f"   - {detail}") for detail in cause.details)
    yield from _beside(found, short=short)
    if short:
        yield Text()
        return
    for columns, rows in (
        (explanations.PART_COLUMNS, list(explanations.parts(found))),
        (explanations.RANK_COLUMNS, list(explanations.ranks(found))),
    ):
        if rows:
            table = new_table(columns[0], *(f"{column}, ms" for column in columns[1:]))
            for row in rows:
                table.add_row(*map(Text, row))
            yield Text()
            yield table
    yield Text()
