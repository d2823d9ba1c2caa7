"""Trains several seeds of one recipe, or continues with them."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.planning import refuse_endless
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.runner import run_plan
from ssdbench.harness.side_by_side import Place, deal, gpu_groups, run_side_by_side
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.schema.case import Plan, Slot
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Run
from ssdbench.workflows.display import Display
from ssdbench.workflows.measuring import BegunRun, begin, closing_lock


def train_seeds(
    store: Store, setup: RunSetup, results: Path, display: Display, *, seeds: int | None = None, parallel: int = 1
) -> Run:
    """Train the seeds that are not trained yet, and return the run with all of them; each is stored when it ends.

    Args:
        store: where the run goes.
        setup: a plan with one case of workload accuracy.
        results: folder below which the trainings keep their files.
        display: what shows the progress.
        seeds: how many seeds in all; None: as the plan says.
        parallel: how many train side by side on this machine, each on GPUs of its own.

    Raises:
        UsageError: the suite measures speed, or has more than one case, or `seeds` is below 1, or there are GPUs for
            fewer than `parallel`.
        EnvironmentLacksError: the case cannot be trained here.
        DataError: the images have a fault.
    """
    setup = plan_seeds(setup, seeds)
    if setup.options.slurm is not None and parallel > 1:
        raise UsageError("--parallel is for trainings on this machine: with --launcher slurm give --slurm jobs=N")
    groups = gpu_groups(setup.plan.cases[0].case, setup.machine.host.gpus, parallel)
    begun = begin(store, setup, display)
    with closing_lock(begun), display.launches(begun) as observer:
        loop = begun.loop(observer, training_folder(results))
        if setup.options.slurm is not None:  # which has a queue of its own
            run_plan(loop, setup.plan, None)
        else:
            _train_here(begun, loop, groups)
    return loop.run


def _train_here(begun: BegunRun, loop: LaunchLoop, gpus: Sequence[tuple[GpuState, ...]]) -> None:
    plan, stop = begun.setup.plan, threading.Event()
    places: list[Place] = [("candidate", slot.launch) for slot in plan.order]
    case, groups = plan.cases[0].case, begun.gpu_groups(loop, gpus, stop)
    run_side_by_side(loop, case, deal([places], len(groups), ""), groups, stop, lambda: True, None)
    loop.observer.remaining_changed([])


def plan_seeds(setup: RunSetup, seeds: int | None) -> RunSetup:
    """The setup with this many seeds in all; None: as many as its plan has. Raises UsageError as `train_seeds`."""
    return replace(setup, plan=_plan_of(setup.plan, seeds))


def exit_code(run: Run) -> ExitCode:
    """CASE_FAILED where the last attempt of a seed failed."""
    last = {(record.case.key, record.launch): record for record in run.records}
    return ExitCode.CASE_FAILED if any(record.failure for record in last.values()) else ExitCode.OK


def _plan_of(plan: Plan, seeds: int | None) -> Plan:
    wrong = [planned.case.key for planned in plan.cases if planned.case.workload != "accuracy"]
    if wrong:
        raise UsageError(f"{wrong[0]} measures speed: use `ssdbench run`, or a suite of workload accuracy")
    if len(plan.cases) != 1:
        raise UsageError(f"{plan.suite} has {len(plan.cases)} cases: seeds are trained for one case at a time")
    if seeds is None:
        return plan
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} trains nothing: give 1 or more")
    refuse_endless(plan.suite, seeds)
    case = plan.cases[0].case
    case = replace(case, protocol=replace(case.protocol, launches=seeds))
    order = tuple(Slot(case_key=case.key, launch=launch) for launch in range(seeds))
    skipped = plan.cases[0].skip_reason is not None
    return replace(plan, cases=(replace(plan.cases[0], case=case),), order=() if skipped else order)
