"""The options of a bisection, and the search that they start."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.bisection import Question
from ssdbench.cli.help import DECIDING, MEASURING, STORING, option
from ssdbench.cli.options import Budget
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.suite_options import SuiteOptions
from ssdbench.errors import UsageError
from ssdbench.harness.bisections import BisectionLog, log_file_name
from ssdbench.harness.run_setup import RunSetup
from ssdbench.schema.bisection import Direction
from ssdbench.workflows.bisecting import Search, effort
from ssdbench.workflows.deciding import deadline_of

Log = Annotated[
    Path | None,
    option(
        "Log of all decisions, from which the search continues; default: a file in results/bisections.",
        metavar="FILE",
        panel=STORING,
    ),
]
Attempts = Annotated[
    int,
    option(
        "Runs of a point that stays inconclusive, each with twice the pairs of the one before.",
        min=1,
        metavar="N",
        panel=DECIDING,
    ),
]
Find = Annotated[
    str,
    option("regression: what made it worse; improvement: what made it better.", metavar="CHANGE", panel=DECIDING),
]
Skip = Annotated[
    list[str] | None,
    option("Point that is not probed, or the beginning of its name; may be repeated.", metavar="POINT", panel=DECIDING),
]
DryRun = Annotated[
    bool, option("Show the points and how much will be measured, and measure nothing.", "--dry-run", panel=MEASURING)
]

__all__ = ["Attempts", "Budget", "DryRun", "Find", "Log", "Skip", "direction_of", "start_search"]


def direction_of(find: str) -> Direction:
    """The change that is searched for; raises UsageError for any other word."""
    if find == "regression":
        return "regression"
    if find == "improvement":
        return "improvement"
    raise UsageError(f"--find {find!r} is not known: write regression or improvement")


def start_search(
    options: SuiteOptions,
    question: Question,
    expected: RunSetup,
    prepare: Callable[[], Callable[[str], RunSetup]],
    *,
    log: Path | None,
    attempts: int,
    budget: str | None,
    skip: Sequence[str],
    dry_run: bool,
    hint: Callable[[str], str] = lambda _point: "",
) -> None:
    """Search, and exit with the code of the answer.

    `expected` is the plan of a probe, and `prepare` returns what prepares a point; it is called if there is a search.
    """
    deadline, display = deadline_of(budget), TerminalDisplay(continue_with="the same command")
    skipped = [_point(question, word) for word in skip]
    key = expected.plan.cases[0].case.key
    ends = tuple(point[:12] if question.kind == "commit" else point for point in question.points)
    path = log or options.results / "bisections" / log_file_name(ends, key, question.find)
    asked = {"suite": expected.plan.suite, "case_key": key}
    if dry_run:
        for point in question.points:
            display.message(question.name(point))
        known = _log(path, question, **asked).findings if path.exists() else {}
        findings = {**dict.fromkeys(skipped, "unknown"), **known}
        display.message(effort(question, findings, expected.settings, attempts))  # type: ignore[arg-type]
        return
    setup_of = prepare()
    search = Search(
        question=question,
        setup_of=setup_of,
        store=options.store(),
        log=_log(path, question, **asked),
        attempts=attempts,
        display=display,
        deadline_seconds=deadline,
        hint=hint,
    )
    display.message(f"log of decisions: {path}")
    display.message(effort(question, search.log.findings, expected.settings, attempts))
    raise typer.Exit(search.run(skipped))


def _log(path: Path, question: Question, *, suite: str, case_key: str) -> BisectionLog:
    return BisectionLog(
        path, suite=suite, case_key=case_key, images=question.points, kind=question.kind, find=question.find
    )


def _point(question: Question, word: str) -> str:
    """The point that --skip names."""
    found = [
        point
        for point in question.points
        if word and (point.startswith(word) or question.name(point).startswith(word) or point.endswith(f":{word}"))
    ]
    if len(found) != 1:
        number = "several points" if found else "no point"
        raise UsageError(f"--skip {word!r} names {number}: --dry-run lists them")
    if found[0] == question.points[0]:
        raise UsageError(f"--skip {word!r} is the first point, with which all are compared: begin with another one")
    return found[0]
