"""`ssdbench run --decide` and `--until-decided`: measure for as long as the verdict rule asks, then judge."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.analysis.verdicts.interleaved import next_launches, next_pairs
from ssdbench.analysis.verdicts.outlook import Outlook, outlook
from ssdbench.cli.compare import judged, reference_of
from ssdbench.errors import UsageError
from ssdbench.harness.baseline_arm import choose_baseline_arm, parse_duration
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.runner import AskRule, run_candidates, run_pairs, run_plan
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.record import Control, Record, Run, RunHeader

Decide = Annotated[bool, typer.Option("--decide", help="Measure pairs with a baseline that runs now, until decided.")]
UntilDecided = Annotated[bool, typer.Option("--until-decided", help="Add launches until --baseline can decide.")]
BaselinePython = Annotated[str | None, typer.Option(help="With --decide: interpreter that measures the baseline.")]
BaselineCheckout = Annotated[Path | None, typer.Option(help="With --decide: ssdbench checkout of the baseline.")]
BaselineRun = Annotated[str | None, typer.Option(help="With --decide: the environment of this stored run.")]
BaselineName = Annotated[
    str | None,
    typer.Option("--baseline", metavar="NAME|RUN", help=f"With --until-decided; default: {DEFAULT_BASELINE}."),
]
Budget = Annotated[str | None, typer.Option(help="Begin no launch after this time: 90s, 30m, 2h.")]


def control_arm(
    store: Store, *, decide: bool, python: str | None, checkout: Path | None, run: str | None
) -> Control | None:
    """What measures as the baseline; None where the run has no such arm.

    Raises:
        UsageError: an option that does not go with the others.
    """
    options = {"--baseline-python": python, "--baseline-checkout": checkout, "--baseline-run": run}
    given = [name for name, value in options.items() if value is not None]
    if given and not decide:
        raise UsageError(f"{given[0]} says what measures as the baseline: give it with --decide")
    if run is not None and len(given) > 1:
        raise UsageError(f"--baseline-run is a whole environment: leave {given[0]} away, or --baseline-run")
    return choose_baseline_arm(python, checkout, store.load(run) if run else None) if decide else None


def reference_name(store: Store, *, decide: bool, until_decided: bool, baseline: str | None) -> str | None:
    """What a run's launches are added for; None where its plan says how many they are.

    Raises:
        UsageError: an option that does not go with the others.
        StoreError: `baseline` is neither a baseline nor a run.
    """
    if decide and until_decided:
        raise UsageError("--decide measures the baseline now, --until-decided has a stored one: give one of them")
    if baseline is not None and not until_decided:
        raise UsageError("--baseline says what launches are added for: give it with --until-decided")
    if not until_decided:
        return None
    name = baseline or DEFAULT_BASELINE
    if name not in {header.name for header in store.list_baselines()}:
        store.load(name)
    return name


def deadline_of(budget: str | None) -> float | None:
    """When a budget that begins now is used up, by the monotonic clock; None without one."""
    return None if budget is None else time.monotonic() + parse_duration(budget)


def measure(loop: LaunchLoop, store: Store, header: RunHeader, deadline_seconds: float | None) -> None:
    """Pairs where the run has a baseline arm, as the rule asks; else the plan, and more until a baseline can decide."""
    ask = _rule_of(store, header)
    if ask is not None and header.control is not None:
        run_pairs(loop, header.plan, ask, deadline_seconds)
        return
    run_plan(loop, header.plan, deadline_seconds)
    if ask is not None:
        run_candidates(loop, header.plan, ask, deadline_seconds)


def is_unfinished(store: Store, run: Run) -> bool:
    """Whether the run's plan, or the verdict rule, asks for launches that are not measured."""
    ask = _rule_of(store, run.header)
    if ask is not None and ask(run.records):
        return True
    launches = {(record.case.key, record.launch) for record in run.records}
    return run.header.control is None and len(launches) < len(run.header.plan.order)


def outlook_of(header: RunHeader) -> Callable[[Sequence[Record]], Outlook] | None:
    """What can be said of an interleaved run while it is measured; None of other runs."""
    if header.control is None:
        return None
    return lambda records: outlook(launches_by_case(header.plan, records), header.settings)


def judge_run(store: Store, run: Run) -> int | None:
    """Print the verdicts on a run that was to be decided, and return the exit code; None of other runs."""
    if run.header.control is None and run.header.options.until_decided is None:
        return None
    comparison, _ = judged(store, run, None, run.header.settings)
    code, console = exit_code(comparison), Console()
    console.print(render_comparison(comparison, code, console.width))
    return code


def _rule_of(store: Store, header: RunHeader) -> AskRule | None:
    plan, settings, against = header.plan, header.settings, header.options.until_decided
    if header.control is not None:
        return lambda records: next_pairs(launches_by_case(plan, records), settings)
    if against is None:
        return None
    reference = reference_of(store, header.hardware.key, against)
    stored = reference.records if reference else ()
    return lambda records: next_launches(launches_by_case(plan, records, stored), settings)
