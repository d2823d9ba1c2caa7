"""Workflow commands for GitHub Actions: annotations of the run, worst first.

GitHub shows at most ten notices, errors and warnings each for a step: the tenth of each says how many more there are.
Cases that regressed, failed or no longer fit are errors; those that are inconclusive or not covered are warnings. Creep
is a warning, and an error where the exit code is that of creep. A waived case is a notice, a waiver to put right a
warning.
"""

from ssdbench.errors import ExitCode
from ssdbench.report.creep import creep_text
from ssdbench.report.escape import github_data, github_property
from ssdbench.report.headline import headline
from ssdbench.report.order import order_text
from ssdbench.report.outcome import Outcome, because, outcome
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import status_word
from ssdbench.report.waivers import TITLE, waiver_notes
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.verdict import CaseVerdict, Comparison, Status

MOST = 10
_ERRORS = (Status.REGRESSED, Status.NO_LONGER_FITS, Status.FAILED)


def render(comparison: Comparison, code: ExitCode) -> str:
    """One command for each line, the headline first."""
    blamed = [case for case in comparison.cases if outcome(case.verdict) in (Outcome.FAILED, Outcome.ERROR)]
    errors = [(_title(case), because(case)) for case in blamed if case.verdict.status in _ERRORS]
    warnings = [(_title(case), because(case)) for case in blamed if case.verdict.status not in _ERRORS]
    crept = [
        ("creep", creep_text(creep, comparison.settings).removeprefix("creep: "))
        for creep in comparison.creep
        if creep.worse
    ]
    warnings += [(TITLE, note) for note in waiver_notes(comparison)]
    warnings += [("pairs", text)] if (text := order_text(comparison)) else []
    if code is ExitCode.CREPT:
        errors = [*crept, *errors]
    else:
        warnings = [*crept, *warnings]
    notices = [("ssdbench", headline(comparison, code).text)]
    notices += [("the whole suite", suite_text(comparison.suite))] if comparison.suite else []
    notices += [(_title(case), because(case)) for case in comparison.cases if case.verdict.status is Status.WAIVED]
    lines = []
    for kind, found in (("notice", notices), ("error", errors), ("warning", warnings)):
        shown = found if len(found) <= MOST else found[: MOST - 1]
        lines += [_command(kind, title, message) for title, message in shown]
        if len(shown) < len(found):
            lines.append(_command(kind, "ssdbench", f"and {len(found) - len(shown)} more, see the job's log"))
    return "\n".join(lines) + "\n"


def _title(case: CaseVerdict) -> str:
    return f"{status_word(case.verdict.status)}: {case.title}, {METRICS[case.verdict.metric].title}"


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={github_property(title)}::{github_data(message)}"
