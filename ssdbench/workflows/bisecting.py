"""Searches the images between a good one and a bad one for the first that is slower."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ssdbench.analysis.bisection import Decision, decide, finding_of
from ssdbench.errors import ExitCode
from ssdbench.harness.bisections import BisectionLog
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.store import Store
from ssdbench.schema.bisection import Step
from ssdbench.schema.record import ContainerImage
from ssdbench.schema.verdict import Status, Verdict
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import Display
from ssdbench.workflows.images import ImageSuite, resume_run
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.measuring import begin, finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A bisection, which continues from its log.

    `images` are in order, from the good one to the bad one; `reference` is the good one, inspected, and `inspect`
    inspects the others. An image that stays inconclusive is measured up to `attempts` times, each with twice the pairs.
    """

    images: tuple[str, ...]
    reference: ContainerImage
    suite: ImageSuite
    inspect: Callable[[str], ContainerImage]
    store: Store
    log: BisectionLog
    attempts: int
    display: Display
    deadline_seconds: float | None = None

    def run(self) -> ExitCode:
        """Measure until the first bad image is found: OK; INCONCLUSIVE where it is not, or the budget ends.

        Each decision is written to the log before it is acted upon, and handed to the display.

        Raises:
            SsdbenchError: an image cannot be planned for, or the store fails, or another process uses this log.
        """
        lock = self.log.searching()
        try:
            return self._search()
        finally:
            lock.release()

    def _search(self) -> ExitCode:
        while (decision := decide(self.images, self.log.findings)).image is not None:
            if not self._probe(decision.image, decision.because):
                self.display.message(f"the budget is used up: {decision.image} is not judged; repeat the same command")
                return ExitCode.INCONCLUSIVE
        self._end(decision)
        return ExitCode.OK if decision.finding == "bad" else ExitCode.INCONCLUSIVE

    def _end(self, decision: Decision) -> None:
        if not (self.log.steps and self.log.steps[-1].image is None):
            self.log.add(decision.because, finding=decision.finding)
        self.display.message(decision.because)

    def _probe(self, image: str, because: str) -> bool:
        """Measure an image until it is judged; False where the budget ends before that."""
        self.display.message(f"{image}: {because}")
        step = self.log.open_probe(image)
        while True:
            if self.deadline_seconds is not None and time.monotonic() > self.deadline_seconds:
                return False
            step = self._measure(image, because, step)
            assert step.run_id is not None
            run = self.store.load(step.run_id)
            if is_unfinished(self.store, run):
                return False
            verdict = judge_run(self.store, run).comparison.cases[0].verdict
            if verdict.status is Status.INCONCLUSIVE and step.attempt < self.attempts:
                because = f"it is inconclusive ({verdict.sentence}): once more, with twice the pairs"
                self.display.message(f"{image}: {because}")
                step = replace(step, run_id=None, attempt=step.attempt + 1)
                continue
            self._conclude(image, step, verdict)
            return True

    def _measure(self, image: str, because: str, step: Step | None) -> Step:
        """Begin the run of a probe, or continue it; returns the step with the run's id."""
        attempt = step.attempt if step is not None else 1
        setup = self._setup(self.inspect(image), attempt)
        if step is not None and step.run_id is not None:
            setup = resume_run(self.store, step.run_id, setup)
        begun = begin(self.store, setup, self.display)
        if step is None or step.run_id is None:
            step = self.log.add(because, image=image, run_id=begun.header.run_id, attempt=attempt)
        finish(begun, self.display, deadline_seconds=self.deadline_seconds)
        return step

    def _setup(self, image: ContainerImage, attempt: int) -> RunSetup:
        setup, factor = self.suite.setup_in(image, baseline=self.reference), 2 ** (attempt - 1)
        settings = setup.settings
        return replace(
            setup,
            settings=replace(
                settings, pair_cap=factor * settings.pair_cap, confirm_pair_cap=factor * settings.confirm_pair_cap
            ),
        )

    def _conclude(self, image: str, step: Step, verdict: Verdict) -> None:
        finding = finding_of(verdict.status)
        because = f"{verdict.status.value}: {verdict.sentence}"
        self.log.add(because, image=image, run_id=step.run_id, attempt=step.attempt, finding=finding)
        self.display.message(f"{image} is {'omitted' if finding == 'unknown' else finding}: {because}")
