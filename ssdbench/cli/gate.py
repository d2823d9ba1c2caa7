"""A suite measured and judged case by case, for test runners; prints nothing, but for what becomes of a spool."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.cli.compare import judged
from ssdbench.cli.opening import open_store
from ssdbench.harness import run_setup
from ssdbench.harness.datasets import cache_folder
from ssdbench.harness.launch_loop import LaunchLoop, Observer
from ssdbench.harness.runner import run_plan
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import find_suite, load_suite
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.record import RunOptions
from ssdbench.schema.verdict import CaseVerdict

SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A suite as it is planned for this machine; made by `open_gate`."""

    setup: run_setup.RunSetup
    store: Store
    baseline: str

    @property
    def cases(self) -> tuple[PlannedCase, ...]:
        """All cases of the plan, those that are skipped too."""
        return self.setup.plan.cases

    def judge(self, keys: Collection[str], observer: Observer) -> dict[str, CaseVerdict]:
        """Measure these cases, store the run, and compare it; by case key, also cases that only the baseline has.

        Raises:
            SsdbenchError: the images cannot be made, or a stored file cannot be read.
        """
        plan = self.setup.plan
        plan = replace(plan, order=tuple(slot for slot in plan.order if slot.case_key in keys))
        setup = replace(self.setup, plan=plan)
        data = run_setup.prepare_images(setup, lambda _event: None)
        begun = run_setup.begin_run(self.store, setup, data)
        launchers = run_setup.build_launchers(setup)
        loop = LaunchLoop(begun, data, launchers, self.store, cache_folder() / "work", observer)
        run_plan(loop, plan, None)
        measured = loop.run
        comparison, _ = judged(self.store, measured, self.baseline, measured.header.settings)
        return {case.case_key: case for case in comparison.cases}


def suite_path(name: str) -> Path:
    """The file of a suite, given by name or path.

    Raises:
        UsageError: there is none.
    """
    return find_suite(name)


def open_gate(path: Path, results: Path, baseline: str) -> Gate:
    """Plan a suite for this machine.

    Raises:
        SsdbenchError: the suite is wrong, or this machine lacks what measures.
    """
    suite = load_suite(path)
    options = RunOptions(synthetic=suite.data.synthetic_data(), foreign_cpu_limit_cores=suite.foreign_cpu_limit_cores)
    setup = run_setup.new_setup(suite, options, SEED)
    return Gate(setup=setup, store=open_store(results, None), baseline=baseline)
