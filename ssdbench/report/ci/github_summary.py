"""The step summary of GitHub Actions, in Markdown: the result, the cases worst first, what else changed.

GitHub refuses summaries above 1 MiB, so the table has the worst 200 cases and says how many more there are.
"""

from ssdbench.errors import ExitCode
from ssdbench.report.contents import contents_markdown
from ssdbench.report.creep import creep_markdown
from ssdbench.report.escape import markdown
from ssdbench.report.figures import change, values
from ssdbench.report.headline import headline
from ssdbench.report.order import order_text
from ssdbench.report.outcome import because
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import status_word
from ssdbench.report.waivers import waivers_markdown
from ssdbench.schema.verdict import CaseVerdict, Comparison

MOST = 200
_CONTENTS = 20


def render(comparison: Comparison, code: ExitCode) -> str:
    """The whole summary."""
    cases = comparison.cases
    answer = headline(comparison, code)
    lines = [f"## {markdown(answer.short)}", "", markdown(answer.certainty), ""]
    if comparison.suite:
        lines += [f"Suite: {markdown(suite_text(comparison.suite))}.", ""]
    if text := order_text(comparison):
        lines += [f"{markdown(text)}.", ""]
    lines.append(markdown(f"run {comparison.run_id} against {comparison.baseline}, on {comparison.hardware_key}"))
    if cases:
        lines += ["", "| verdict | case | baseline | candidate | change | because |", "|---|---|---:|---:|---:|---|"]
        lines += map(_row, cases[:MOST])
    if len(cases) > MOST:
        lines += ["", f"{len(cases) - MOST} more cases, none of them worse."]
    if notes := waivers_markdown(comparison):
        lines += ["", *notes[:-1]]
    for creep in comparison.creep:
        lines += ["", *creep_markdown(creep, comparison.settings, MOST)]
    if comparison.differences:
        lines += ["", "| what else changed | baseline | candidate |", "|---|---|---|"]
        for item in comparison.differences:
            lines.append(f"| {markdown(item.name)} | {markdown(item.baseline)} | {markdown(item.candidate)} |")
    if comparison.contents:
        lines += ["", *contents_markdown(comparison.contents, _CONTENTS)[:-1]]
    return "\n".join(lines) + "\n"


def _row(case: CaseVerdict) -> str:
    cells = [status_word(case.verdict.status), case.title, *values(case), change(case), because(case)]
    return f"| {' | '.join(map(markdown, cells))} |"
