"""Prepares the pairs that follow a run of a whole suite: the nominated cases, against the build of the baseline."""

from dataclasses import replace

from ssdbench.errors import UsageError
from ssdbench.harness.baseline_builds import FoundBuild
from ssdbench.harness.planning import plan_pairs
from ssdbench.harness.run_setup import RunSetup, probe_node
from ssdbench.schema.nightly_stage import NightlyStage


def pairs_setup(first: RunSetup, stage: NightlyStage, build: FoundBuild, budget: str | None) -> RunSetup:
    """Plan the nominated cases of a run (all of them if none is named) to be measured in pairs, on the same machine.

    `build` is that of the baseline, which can be measured here.

    Raises:
        UsageError: the cluster has given another kind of node.
    """
    machine, worker, options = first.machine, first.worker, replace(first.options, container=build.container)
    if options.slurm is not None:
        machine, worker, options = probe_node(options.slurm, options, pairs=True)
        if machine.hardware != first.machine.hardware:
            raise UsageError(
                f"the pairs would be measured on {machine.hardware.key}, the suite was on "
                f"{first.machine.hardware.key}: choose the nodes with --slurm nodelist=... or constraint=..."
            )
    keys = stage.nominated or [planned.case.key for planned in first.plan.cases]
    return replace(
        first,
        machine=machine,
        worker=worker,
        plan=plan_pairs(first.plan, keys, first.settings.first_pairs),
        options=replace(options, budget=budget, until_decided=None),
        baseline_arm=build.arm,
        nightly=stage,
        resumed=None,
    )
