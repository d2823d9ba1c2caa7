"""The end of `ssdbench run`: what became of each case, where it is stored, and what to do next."""

from collections.abc import Iterator

from rich.text import Text

from ssdbench.analysis.outcomes import case_outcomes
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.cli.printing import Terminal, print_line
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.run_tables import render_outcomes
from ssdbench.schema.run_summary import CaseOutcome
from ssdbench.workflows.measuring import MeasuredRun


def print_ending(store: Store, measured: MeasuredRun, place: str, *, is_judged: bool) -> None:
    """Print the cases, unless verdicts on them are shown (`is_judged`), and what to do next.

    `place` are the options that name the store in a command, with a blank before them.
    """
    console, header = Terminal(), measured.run.header
    cases = case_outcomes(last_attempts(measured.run))
    if not is_judged:
        console.print(Text(), render_outcomes(cases), sep="\n")
    print_line(console, f"\nstored in {store.name} as run {header.run_id}")
    for line in _next_steps(store, measured, cases, place, is_judged=is_judged):
        print_line(console, line)


def _next_steps(
    store: Store, measured: MeasuredRun, cases: tuple[CaseOutcome, ...], place: str, *, is_judged: bool
) -> Iterator[str]:
    run = measured.run.header.run_id
    outcomes = {case.outcome for case in cases}
    if "failed" in outcomes:
        yield f"next: `ssdbench report {run}{place}` shows the details, with the end of the log of a failed launch"
    elif is_judged or measured.exit_code is ExitCode.REGRESSED:
        yield f"next: `ssdbench report {run}{place}` shows the details"
    elif "unfinished" in outcomes or outcomes <= {"skipped"}:
        return  # there is nothing to judge; how to continue was said when the last launch ended
    elif store.has_baseline(measured.run.header.hardware.key, DEFAULT_BASELINE):
        yield f"next: `ssdbench compare {run}{place}` judges it against the baseline"
    elif "invalid" in outcomes:
        yield (
            "next: measure again while nothing disturbs the machine, or allow more CPU load of other processes with "
            "--foreign-cpu: a baseline is made of valid launches only"
        )
    else:
        yield f'next: `ssdbench baseline accept {run} --reason "..."{place}` makes it what later runs are compared with'
