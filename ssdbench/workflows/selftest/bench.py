"""Where the self-test measures: real launches on this machine, in a store of its own that goes away with it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness import run_setup
from ssdbench.harness.planning import make_plan
from ssdbench.harness.planted_source import Plant, plant_source
from ssdbench.harness.process import SOURCE
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import parse_suite
from ssdbench.harness.suite_tables import Suite
from ssdbench.schema.record import BaselineArm, Run
from ssdbench.workflows.display import Display, Quiet
from ssdbench.workflows.measuring import MeasuredRun, begin, finish, options_of

NO_LIMIT_CORES = 100_000.0
"""Plants are so large that what else runs here does not hide them; one of them is about just that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What faults are planted into: a grid of one case for each number of ranks; `name` is its workload."""

    name: str
    matrix: Mapping[str, Any]
    protocol: Mapping[str, Any]
    device: str
    is_in_pairs: bool

    def suite(
        self, margin: float, *, ranks: int = 1, launches: int = 1, cores: float = NO_LIMIT_CORES, **protocol: Any
    ) -> Suite:
        """The suite that measures it."""
        # Two launches of a loaded machine do not show even a large change at the usual alpha.
        verdict = {"margin": margin} | ({} if self.is_in_pairs else {"pilot_pairs": 2, "alpha": 0.05})
        content = {
            "name": "selftest",
            "device": self.device,
            "foreign_cpu_limit_cores": cores,
            "protocol": {**self.protocol, "launches": launches, **protocol},
            "verdict": verdict,
            "matrix": [{"workload": self.name, "world_size": ranks, **self.matrix}],
        }
        return parse_suite(content, "selftest")


@dataclass(slots=True, kw_only=True)
class Bench:
    """Measures suites with the installed source or with a copy that has a fault."""

    store: Store
    folder: Path
    python: str | None
    deadline_seconds: float
    _first: RunSetup | None = None
    _sources: dict[tuple[str, Plant], Path] = field(default_factory=dict)

    @property
    def has_time(self) -> bool:
        """Whether the time is not used up."""
        return time.monotonic() <= self.deadline_seconds

    @property
    def machine_setup(self) -> RunSetup:
        """A plan of this machine and interpreter.

        Raises:
            EnvironmentLacksError: nothing was planned yet.
        """
        if self._first is None:
            raise EnvironmentLacksError("nothing was planned yet")
        return self._first

    def setup(self, suite: Suite, plant: Plant | None = None, *, in_pairs: bool = False) -> RunSetup:
        """Plan a suite; with `in_pairs` the installed source measures as the baseline.

        Raises:
            EnvironmentLacksError: the interpreter cannot run, or the case cannot be measured here.
        """
        options = replace(options_of(suite, python=self.python), ceilings=False)
        if self._first is None:
            self._first = run_setup.new_setup(suite, options, 1)
        machine, worker = self._first.machine, self._first.worker
        settings = suite.verdict.settings()
        source = SOURCE if plant is None else self._source(suite.matrix[0].workload[0], plant)
        arm = BaselineArm(python=worker.executable, source=str(SOURCE), commit=None) if in_pairs else None
        found = replace(
            self._first,
            plan=make_plan(suite, machine, worker, 1, pilot_pairs=settings.first_pairs if in_pairs else None),
            options=replace(options, measured_by=worker.executable, source=str(source)),
            settings=settings,
            baseline_arm=arm,
            source=source,
        )
        run_setup.require_something_to_measure(found.plan)
        return found

    def measure(self, setup: RunSetup, display: Display | None = None) -> MeasuredRun:
        """Measure a plan to its end, or until the time is used up."""
        display = display or Quiet()
        return finish(begin(self.store, setup, display), display, deadline_seconds=self.deadline_seconds)

    def keep(self, run: Run) -> Run:
        """Store a run that was made from another; returns it as the store has it."""
        self.store.begin(run.header)
        for record in run.records:
            self.store.append(record)
        return self.store.load(run.header.run_id)

    def _source(self, workload: str, plant: Plant) -> Path:
        if (workload, plant) not in self._sources:
            folder = self.folder / f"planted-{len(self._sources) + 1}"
            self._sources[workload, plant] = plant_source(folder, workload, plant)
        return self._sources[workload, plant]
