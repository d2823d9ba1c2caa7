"""`ssdbench converge`: train several seeds of one recipe, or go on with them."""

from dataclasses import replace

from ssdbench.cli.progress import data_progress
from ssdbench.cli.request import Request
from ssdbench.cli.training_progress import training_progress
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.datasets import cache_folder
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.runner import run_plan
from ssdbench.harness.training_folders import training_folder
from ssdbench.schema.case import Plan, Slot
from ssdbench.schema.record import Run


def train_seeds(request: Request, seeds: int | None, resume: bool, run_id: str | None) -> Run:
    """Train the seeds that are not trained yet, each stored when it ends; the run as it then is.

    Raises:
        UsageError: the suite measures speed, or asks for more than one case.
    """
    store = request.store()
    if resume:
        setup = run_setup.resumed_setup(
            store, run_id, request.name, lambda run: run_setup.trains_for_accuracy(run.header.plan)
        )
    else:
        suite = request.suite()
        setup = run_setup.new_setup(suite, request.run_options(suite), request.seed)
    setup = replace(setup, plan=_plan_of(setup.plan, seeds))
    run_setup.require_something_to_measure(setup.plan)
    with data_progress() as on_progress:
        data = run_setup.prepare_images(setup, on_progress)
    begun = run_setup.begin_run(store, setup, data)
    with training_progress(begun.header) as observer:
        loop = LaunchLoop(
            begun, data, run_setup.build_launchers(setup), store, cache_folder() / "work", observer,
            training_folder(request.results),
        )  # fmt: skip
        run_plan(loop, setup.plan, None)
    return loop.run


def exit_code(run: Run) -> ExitCode:
    """CASE_FAILED where the last try of a seed failed."""
    last = {(record.case.key, record.launch): record for record in run.records}
    return ExitCode.CASE_FAILED if any(record.failure for record in last.values()) else ExitCode.OK


def _plan_of(plan: Plan, seeds: int | None) -> Plan:
    wrong = [planned.case.key for planned in plan.cases if planned.case.workload != "accuracy"]
    if wrong:
        raise UsageError(f"{wrong[0]} measures speed: use `ssdbench run`, or a suite of workload accuracy")
    if len(plan.cases) != 1:
        raise UsageError(f"{plan.suite} has {len(plan.cases)} cases: seeds are trained of one case at a time")
    if seeds is None:
        return plan
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} trains nothing: give 1 or more")
    case = plan.cases[0].case
    case = replace(case, protocol=replace(case.protocol, launches=seeds))
    order = tuple(Slot(case_key=case.key, launch=launch) for launch in range(seeds))
    skipped = plan.cases[0].skip_reason is not None
    return replace(plan, cases=(replace(plan.cases[0], case=case),), order=() if skipped else order)
