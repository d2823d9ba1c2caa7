"""`ssdbench run`: measure a suite or an ad hoc grid, and store what was measured."""

from typing import Annotated

import typer

from ssdbench.cli import decide as d
from ssdbench.cli.plan import print_plan
from ssdbench.cli.progress import data_progress, run_progress
from ssdbench.cli.request import Request, takes_request
from ssdbench.errors import ExitCode
from ssdbench.harness import campaign as campaigns
from ssdbench.harness.bench import Bench
from ssdbench.harness.datasets import cache_folder
from ssdbench.harness.forecast import forecast
from ssdbench.harness.runner import run_plan
from ssdbench.harness.stores.files import FileStore


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
    baseline: d.BaselineName = d.DEFAULT_BASELINE_NAME,
    budget: d.Budget = None,
) -> None:
    """Measure a suite, or an ad hoc grid, on this machine; every launch is stored as soon as it ends."""
    store, deadline = FileStore(request.results), d.deadline_of(budget)
    if resume:
        campaign = campaigns.resumed_campaign(store, run_id, request.name)
    else:
        suite = request.speed_suite()
        control = d.control_arm(store, baseline_python, baseline_checkout, baseline_run) if decide else None
        campaign = campaigns.new_campaign(suite, request.run_options(suite), request.seed, control)
    prediction = forecast(campaign.plan, campaign.machine.hardware, campaigns.earlier_records(store))
    if dry_run:
        print_plan(campaign, prediction)
        return
    campaigns.require_something_to_measure(campaign.plan)
    with data_progress() as on_progress:
        data = campaigns.prepare_images(campaign, on_progress)
    begun = campaigns.begin(store, campaign, data)
    with run_progress(begun.header, prediction, len(begun.records)) as observer:
        bench = Bench(begun, data, campaigns.launchers(campaign), store, cache_folder() / "work", observer)
        if campaign.control is not None or until_decided:
            stored = d.stored_launches(store, begun.header, baseline) if until_decided else ()
            d.measure_until_decided(bench, begun.header, stored, deadline)
        else:
            run_plan(bench, begun.header.plan)
    if campaign.control is not None:
        raise typer.Exit(d.judge_run(store.load(begun.header.run_id)))
    if any(record.failure for record in bench.records):
        raise typer.Exit(ExitCode.CASE_FAILED)
