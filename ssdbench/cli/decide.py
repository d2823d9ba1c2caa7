"""`ssdbench run --decide` and `--until-decided`: measure for as long as the verdict rule asks, then judge."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.harness.bench import Bench
from ssdbench.harness.control import control_from, seconds_of
from ssdbench.harness.runner import AskRule, run_more, run_pairs
from ssdbench.harness.stores.files import DEFAULT_BASELINE, FileStore
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.record import Control, Record, Run, RunHeader

Decide = Annotated[bool, typer.Option("--decide", help="Measure pairs with a baseline that runs now, until decided.")]
UntilDecided = Annotated[bool, typer.Option("--until-decided", help="Add launches until --baseline can decide.")]
BaselinePython = Annotated[str | None, typer.Option(help="With --decide: interpreter that measures the baseline.")]
BaselineCheckout = Annotated[Path | None, typer.Option(help="With --decide: ssdbench checkout of the baseline.")]
BaselineRun = Annotated[str | None, typer.Option(help="With --decide: the environment of this stored run.")]
BaselineName = Annotated[str, typer.Option("--baseline", metavar="NAME|RUN", help="With --until-decided.")]
Budget = Annotated[str | None, typer.Option(help="Begin no launch after this time: 90s, 30m, 2h.")]

DEFAULT_BASELINE_NAME = DEFAULT_BASELINE


def control_arm(store: FileStore, python: str | None, checkout: Path | None, run: str | None) -> Control:
    """What measures as the baseline."""
    return control_from(python, checkout, store.load(run).header if run else None)


def stored_launches(store: FileStore, header: RunHeader, name: str) -> tuple[Record, ...]:
    """Launches of a stored baseline or run, in the order they were measured."""
    reference = store.find_reference(header.hardware.key, name)
    return () if reference is None else reference.records


def deadline_of(budget: str | None) -> float | None:
    """When a budget that begins now is used up, by the monotonic clock; None without one."""
    return None if budget is None else time.monotonic() + seconds_of(budget)


def measure_until_decided(
    bench: Bench, header: RunHeader, stored: tuple[Record, ...], deadline_seconds: float | None
) -> None:
    """Let the rule say what is measured next: pairs where the run has a baseline arm, else launches of its own."""
    # The mathematics take a second to import: only who asks for a verdict pays for it.
    from ssdbench.analysis.decide import next_pairs
    from ssdbench.analysis.night import night_of

    ask: AskRule = lambda records: next_pairs(night_of(header.plan, records, stored), header.settings)  # noqa: E731
    measure = run_pairs if header.control is not None else run_more
    measure(bench, header.plan, ask, deadline_seconds)


def judge_run(run: Run) -> int:
    """Print the verdicts on an interleaved run; returns the exit code."""
    from ssdbench.analysis.compare import compare_arms, exit_code

    comparison = compare_arms(run, run.header.settings)
    code = exit_code(comparison)
    console = Console()
    console.print(render_comparison(comparison, code, console.width))
    return code
