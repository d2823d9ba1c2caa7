"""Measures a suite inside container images: one image after the other, or two in pairs."""

from dataclasses import dataclass, replace

from ssdbench.harness import run_setup
from ssdbench.harness.containers.config import Containers
from ssdbench.harness.process import SOURCE
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite_tables import Suite
from ssdbench.harness.trust import Trust, started_by
from ssdbench.schema.record import BaselineArm, ContainerImage, RunHeader, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSuite:
    """The cases to measure in images: all of a suite, or those that `cases` names.

    `cases` are patterns, as `planning.select_cases` takes them.
    """

    suite: Suite
    options: RunOptions
    seed: int
    containers: Containers
    cases: tuple[str, ...] = ()

    def bound_to(self, node: str | None) -> "ImageSuite":
        """The same, measured on this node of a cluster alone; unchanged for None."""
        slurm = self.options.slurm
        if slurm is None or node is None:
            return self
        return replace(self, options=replace(self.options, slurm=replace(slurm, nodelist=node)))

    def setup_in(self, image: ContainerImage, *, baseline: ContainerImage | None = None) -> RunSetup:
        """The plan for an inspected image; in pairs with the image `baseline` where that is given.

        Raises:
            UsageError: a case does not exist, or the suite trains for accuracy.
        """
        setup = self.setup_of(image, baseline)
        run_setup.require_speed(setup.plan)
        return setup

    def setup_of(self, image: ContainerImage, baseline: ContainerImage | None) -> RunSetup:
        """Like `setup_in`, also for a suite that trains for accuracy."""
        options = replace(self.options, image=image, container=self.containers.options)
        python = self.containers.options.python
        baseline_arm = BaselineArm(python=python, source=str(SOURCE), image=baseline) if baseline is not None else None
        return run_setup.new_setup(self.suite, options, self.seed, baseline_arm, cases=self.cases)


def find_earlier_run(store: Store, setup: RunSetup, image: ContainerImage) -> RunHeader | None:
    """The newest run of the same cases in this very image; None where there is none, or the image has no id."""
    same = [
        header
        for header in store.headers()
        if header.baseline_arm is None
        and header.options.image is not None
        and header.options.image.id == image.id
        and header.plan.cases == setup.plan.cases
    ]
    return same[-1] if same and image.id is not None else None


def resume_run(store: Store, run_id: str, setup: RunSetup) -> RunSetup:
    """Continue this run, whether it is finished or not, if it starts what `setup` does; with the variables of `setup`.

    Raises:
        SsdbenchError: as `harness.run_setup.resumed_setup`.
    """
    named = Trust(named=started_by(setup.options, setup.baseline_arm), container=setup.options.container)
    return run_setup.resumed_setup(store, run_id, None, lambda _run: True, named, setup.source)
