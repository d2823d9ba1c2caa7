"""Measures a suite and judges it case by case, for test runners."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.opening import open_store, results_folder
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import find_suite
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.verdict import Comparison
from ssdbench.workflows.display import Display, Say
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.measuring import begin, finish, setup_suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A suite as it is planned for this machine; made by `open_gate`."""

    setup: RunSetup
    store: Store
    baseline: str

    @property
    def cases(self) -> tuple[PlannedCase, ...]:
        """All cases of the plan, those that are skipped too."""
        return self.setup.plan.cases

    def judge(self, keys: Collection[str], display: Display) -> Comparison:
        """Measure these cases, store the run, and compare it, also with older results of the baseline.

        Where every one of these cases is skipped nothing is measured, and the run is stored without launches.

        Raises:
            SsdbenchError: the images cannot be made, or a stored file cannot be read.
        """
        plan = self.setup.plan
        plan = replace(plan, order=tuple(slot for slot in plan.order if slot.case_key in keys))
        begun = begin(self.store, replace(self.setup, plan=plan), display, may_be_empty=True)
        judgement = judge_run(self.store, finish(begun, display).run, self.baseline)
        return judgement.with_creep(self.store).comparison


def suite_path(name: str) -> Path:
    """The file of a suite, given by name or path.

    Raises:
        UsageError: there is none.
    """
    return find_suite(name)


def open_gate(suite: Path, results: Path | None, baseline: str, say: Say) -> Gate:
    """Plan a suite for this machine.

    Args:
        suite: its .toml file.
        results: folder of records and baselines; None: the one that SSDBENCH_RESULTS in the environment names, else
            `results`. SSDBENCH_STORE names a database instead.
        baseline: the baseline to compare with.
        say: hears what becomes of records that wait for a database.

    Raises:
        SsdbenchError: the suite or the file of waivers is wrong, or this machine lacks what measures.
    """
    store = open_store(results or results_folder(), None, say)
    read_waivers(store.waivers_file)
    return Gate(setup=setup_suite(suite), store=store, baseline=baseline)
