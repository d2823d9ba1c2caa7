"""`ssdbench run --decide` and `--until-decided`: measure for as long as the verdict rule asks, then judge."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.decide import next_pairs
from ssdbench.analysis.night import night_of
from ssdbench.harness.bench import Bench
from ssdbench.harness.runner import AskRule, run_more, run_pairs
from ssdbench.schema.record import Record, Run
from ssdbench.schema.verdict import Settings

Decide = Annotated[bool, typer.Option("--decide", help="Measure pairs with a baseline run now, until decided.")]
UntilDecided = Annotated[bool, typer.Option("--until-decided", help="More launches, until --baseline decides.")]
BaselinePython = Annotated[str | None, typer.Option(help="With --decide: interpreter that measures the baseline.")]
BaselineCheckout = Annotated[Path | None, typer.Option(help="With --decide: ssdbench checkout of the baseline.")]
BaselineRun = Annotated[str | None, typer.Option(help="With --decide: the environment of a stored run.")]
Margin = Annotated[float, typer.Option(help="Relative change that matters, 0.01 for 1 %.")]
Budget = Annotated[str | None, typer.Option(help="Begin no launch after this time: 90s, 30m, 2h.")]


def measure_until_decided(bench: Bench, begun: Run, stored: tuple[Record, ...], settings: Settings) -> None:
    """Let the rule say what is measured next: pairs where the run has a baseline arm, else launches of its own."""
    plan, control = begun.header.plan, begun.header.control
    budget = begun.header.options.budget_seconds
    deadline = None if budget is None else time.monotonic() + budget
    ask: AskRule = lambda records: next_pairs(night_of(plan, records, stored), settings)  # noqa: E731
    (run_pairs if control is not None else run_more)(bench, plan, ask, deadline)
