"""`ssdbench selftest`: plants faults one by one, and demands that this installation sees each."""

from typing import Annotated

import typer

from ssdbench.cli.help import DECIDING, MEASURING, SUITE, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.errors import UsageError
from ssdbench.harness.baseline_arm import parse_duration
from ssdbench.report.selftest import STYLES, endings, line_of, word_of
from ssdbench.schema.selftest import PlantResult
from ssdbench.workflows.selftest.running import (
    BUDGET_SECONDS,
    MARGINS,
    QUICK_BUDGET_SECONDS,
    QUICK_MARGINS,
    Asked,
    run_self_test,
)

Quick = Annotated[
    bool, option("Only launches that sleep for known times (workload pace): about a minute.", "--quick", panel=SUITE)
]
Plants = Annotated[
    list[str] | None,
    option("Plant only this; may be repeated (docs/selftest.md lists them).", "--plant", metavar="NAME", panel=SUITE),
]
Budget = Annotated[
    str | None,
    option(
        "Plant nothing after this time: 90s, 30m, 2h; default: 1h, with --quick 5m.",
        metavar="DURATION",
        panel=MEASURING,
    ),
]
Margin = Annotated[
    float | None,
    option(
        "Relative change that has to be found when it is twice as large; default: 0.1 or, where launches differ too "
        "much for it, up to 0.5; with --quick 0.5.",
        metavar="FRACTION",
        panel=DECIDING,
    ),
]
Python = Annotated[
    str | None, option("Interpreter that measures; default: that of ssdbench.", metavar="FILE", panel=MEASURING)
]


def selftest(
    quick: Quick = False,
    plant: Plants = None,
    margin: Margin = None,
    budget: Budget = None,
    python: Python = None,
    as_json: Json = False,
) -> None:
    """Plant faults one by one on this machine, and demand that this installation sees each of them.

    Slower steps, batches and ranks, failures, disturbances, gaps and records that do not fit: each has to get the right
    verdict, exit code and explanation. Faults go into a copy of the source, or into copies of records, in a temporary
    folder; no stored run and no baseline is touched. At the end stands the smallest change that this machine finds.

    Exit code: 11 a plant was not seen as it has to be, 5 some are undecided, for want of time or because launches here
    differ too much, 0 all were seen.
    """
    console = Terminal()
    margins, default_seconds = (QUICK_MARGINS, QUICK_BUDGET_SECONDS) if quick else (MARGINS, BUDGET_SECONDS)
    asked = Asked(
        quick=quick,
        margins=margins if margin is None else (_checked(margin),),
        budget_seconds=default_seconds if budget is None else parse_duration(budget),
        python=python,
        only=tuple(plant or ()),
    )

    def show(result: PlantResult) -> None:
        word = word_of(result)
        console.say((f"{word:9s} ", STYLES[word]), line_of(result))

    test = run_self_test(asked, (lambda _: None) if as_json else show)
    if as_json:
        print_data(test)
    else:
        for sentence in endings(test):
            console.say(sentence)
    raise typer.Exit(test.exit_code)


def _checked(margin: float) -> float:
    if not 0 < margin < 1:
        raise UsageError(f"--margin {margin:g} is no relative change between 0 and 1; write 0.05 for 5 %")
    return margin
