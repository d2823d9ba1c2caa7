"""`ssdbench run`: measure a suite or an ad hoc grid, and store what was measured."""

from typing import Annotated

import typer

from ssdbench.cli.plan import print_plan
from ssdbench.cli.progress import data_progress, run_progress
from ssdbench.cli.request import Request, takes_request
from ssdbench.errors import ExitCode
from ssdbench.harness import campaign as campaigns
from ssdbench.harness.datasets import cache_folder
from ssdbench.harness.forecast import forecast
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.runner import Runner
from ssdbench.harness.stores.files import FileStore


@takes_request
def run(
    request: Request,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    run_id: Annotated[str | None, typer.Option("--run", help="With --resume: go on with this run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and measure nothing.")] = False,
) -> None:
    """Measure a suite, or an ad hoc grid, on this machine; every launch is stored as soon as it ends."""
    store = FileStore(request.results)
    if resume:
        campaign = campaigns.resumed_campaign(store, run_id, request.name)
    else:
        suite = request.suite()
        campaign = campaigns.new_campaign(suite, request.run_options(suite), request.seed)
    prediction = forecast(campaign.plan, campaign.machine.hardware, campaigns.earlier_records(store))
    if dry_run:
        print_plan(campaign, prediction)
        return
    campaigns.require_something_to_measure(campaign.plan)
    with data_progress() as on_progress:
        data = campaigns.prepare_images(campaign, on_progress)
    begun = campaigns.begin(store, campaign, data)
    with run_progress(begun.header, prediction) as observer:
        runner = Runner(LocalLauncher(campaign.worker.executable), store, cache_folder() / "work", observer)
        runner.run(begun, data)
    if any(record.failure for record in store.load(begun.header.run_id).records):
        raise typer.Exit(ExitCode.CASE_FAILED)
