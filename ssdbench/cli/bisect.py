"""`ssdbench containers bisect`: which of the images between a good one and a bad one brought a regression."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.bisection import decide, finding_of
from ssdbench.cli import decide as d
from ssdbench.cli import measuring
from ssdbench.cli.compare import judged
from ssdbench.cli.container_request import PairRequest, campaign_in, look_at
from ssdbench.errors import EnvironmentLacksError, ExitCode, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.bisections import BisectionLog, log_file_name
from ssdbench.harness.containers.config import Containers, between
from ssdbench.harness.forecast import forecast
from ssdbench.harness.stores.store import Store
from ssdbench.schema.bisection import Step
from ssdbench.schema.record import ContainerImage
from ssdbench.schema.verdict import Status, Verdict

Good = Annotated[str, typer.Option(help="An image of the list that is as fast as it should be, or its tag.")]
Bad = Annotated[str, typer.Option(help="A later one that is not.")]
Log = Annotated[
    Path | None, typer.Option(help="File of all decisions, from which it goes on; default: results/bisections/.")
]
Attempts = Annotated[
    int, typer.Option(min=1, help="Runs of an image that stays inconclusive, each with twice the pairs of the last.")
]


def bisect(
    request: PairRequest, good: Good, bad: Bad, log: Log = None, attempts: Attempts = 2, budget: d.Budget = None
) -> None:
    """Find the first image that is slower than the good one, in a list from old to new (ci/containers.toml).

    One case (--case) is measured in pairs with the good image: first in the bad one, then in the middle of what is
    open, each for as long as the verdict rule asks. The same command goes on where it stopped. Exit code: 0 the first
    bad image is found, 5 it is not, and the sentence says what is left.
    """
    containers, deadline = request.load(), d.deadline_of(budget)
    images = between(containers.images, containers.image(good), containers.image(bad))
    reference = look_at(containers, images[0])
    if reference.failure is not None:
        raise EnvironmentLacksError(f"nothing can be compared with {images[0]}: {reference.failure.message}")
    store, plan = request.store(), campaign_in(request, containers, reference, beside=reference).plan
    if len(plan.cases) != 1:
        raise UsageError(f"a bisection is about one case, and {len(plan.cases)} are asked for: say which with --case")
    key = plan.cases[0].case.key
    path = log or request.results / "bisections" / log_file_name(images, key)
    search = _Search(
        request=request,
        containers=containers,
        reference=reference,
        store=store,
        log=BisectionLog(path, suite=plan.suite, case_key=key, images=images),
        attempts=attempts,
        deadline_seconds=deadline,
    )
    print(f"log of decisions: {path}")
    while True:
        decision = decide(images, search.log.findings)
        if decision.image is None:
            if not (search.log.steps and search.log.steps[-1].image is None):
                search.log.add(decision.because, finding=decision.finding)
            print(decision.because)
            raise typer.Exit(ExitCode.OK if decision.finding == "bad" else ExitCode.INCONCLUSIVE)
        if not search.probe(decision.image, decision.because):
            print(f"the budget is used up: {decision.image} is not judged; the same command goes on")
            raise typer.Exit(ExitCode.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A bisection that goes on."""

    request: PairRequest
    containers: Containers
    reference: ContainerImage
    store: Store
    log: BisectionLog
    attempts: int
    deadline_seconds: float | None

    def probe(self, image: str, because: str) -> bool:
        """Measure an image until something is found of it; False where the budget ends before that."""
        print(f"{image}: {because}")
        step = self.log.open_probe(image)
        while True:
            if self.deadline_seconds is not None and time.monotonic() > self.deadline_seconds:
                return False
            step = self._measure(image, because, step)
            assert step.run_id is not None
            run = self.store.load(step.run_id)
            if d.is_unfinished(self.store, run):
                return False
            verdict = judged(self.store, run, None, run.header.settings)[0].cases[0].verdict
            if verdict.status is Status.INCONCLUSIVE and step.attempt < self.attempts:
                because = f"it is inconclusive ({verdict.sentence}): once more, with twice the pairs"
                print(f"{image}: {because}")
                step = replace(step, run_id=None, attempt=step.attempt + 1)
                continue
            self._conclude(image, step, verdict)
            return True

    def _measure(self, image: str, because: str, step: Step | None) -> Step:
        """Begin the run of a probe, or go on with it; the step that says which run it is."""
        if step is not None and step.run_id is not None:
            setup = run_setup.resumed_setup(self.store, step.run_id, None, lambda _run: True)
        else:
            attempt = step.attempt if step is not None else 1
            setup = self._campaign(look_at(self.containers, image), attempt)
        prediction = forecast(setup.plan, setup.machine.hardware, run_setup.earlier_records(self.store))
        begun, data = measuring.begin(self.store, setup)
        if step is None or step.run_id is None:
            step = self.log.add(because, image=image, run_id=begun.header.run_id, attempt=attempt)
        measuring.measure(self.store, setup, begun, data, prediction, self.deadline_seconds)
        return step

    def _campaign(self, image: ContainerImage, attempt: int) -> run_setup.RunSetup:
        setup, factor = campaign_in(self.request, self.containers, image, beside=self.reference), 2 ** (attempt - 1)
        settings = setup.settings
        return replace(
            setup,
            settings=replace(
                settings, pair_cap=factor * settings.pair_cap, fresh_pair_cap=factor * settings.fresh_pair_cap
            ),
        )

    def _conclude(self, image: str, step: Step, verdict: Verdict) -> None:
        finding = finding_of(verdict.status)
        because = f"{verdict.status.value}: {verdict.sentence}"
        self.log.add(because, image=image, run_id=step.run_id, attempt=step.attempt, finding=finding)
        print(f"{image} is {'left out' if finding == 'unknown' else finding}: {because}")
