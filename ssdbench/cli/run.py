"""`ssdbench run`: measure a suite or an ad hoc grid, and store what was measured."""

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from ssdbench.cli import decide as d
from ssdbench.cli import measuring
from ssdbench.cli.plan import print_plan
from ssdbench.cli.request import Request, takes_request
from ssdbench.errors import UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.forecast import forecast
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Run


@takes_request
def run(
    request: Request,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    run_id: Annotated[str | None, typer.Option("--run", help="With --resume: go on with this run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and measure nothing.")] = False,
    decide: d.Decide = False,
    baseline_python: d.BaselinePython = None,
    baseline_checkout: d.BaselineCheckout = None,
    baseline_run: d.BaselineRun = None,
    until_decided: d.UntilDecided = False,
    baseline: d.BaselineName = None,
    budget: d.Budget = None,
) -> None:
    """Measure a suite, or an ad hoc grid, on this machine; every launch is stored as soon as it ends."""
    store, deadline = request.store(), d.deadline_of(budget)
    if resume:
        if decide or until_decided:
            raise UsageError("--resume goes on as the run was begun: leave --decide and --until-decided away")
        setup = run_setup.resumed_setup(store, run_id, request.name, partial(_is_unfinished, store))
    else:
        suite = request.suite()
        if decide and request.launches is not None:
            raise UsageError("--decide measures as many pairs as the verdict rule asks for: leave --launches away")
        against = d.reference_name(store, decide=decide, until_decided=until_decided, baseline=baseline)
        control = d.control_arm(
            store, decide=decide, python=baseline_python, checkout=baseline_checkout, run=baseline_run
        )
        options = replace(request.run_options(suite), until_decided=against)
        setup = run_setup.new_setup(suite, options, request.seed, control)
    run_setup.require_speed(setup.plan)
    prediction = forecast(setup.plan, setup.machine.hardware, run_setup.earlier_records(store))
    if dry_run:
        print_plan(setup, prediction)
        return
    begun, data = measuring.begin(store, setup)
    raise typer.Exit(measuring.measure(store, setup, begun, data, prediction, deadline))


def _is_unfinished(store: Store, run: Run) -> bool:
    return not run_setup.trains_for_accuracy(run.header.plan) and d.is_unfinished(store, run)
