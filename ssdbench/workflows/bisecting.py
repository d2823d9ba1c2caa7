"""Searches points in order (images, commits, lists of requirements) for the first with a change."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ssdbench.analysis.bisection import Decision, Question, decide, finding_of, probes_left
from ssdbench.errors import ExitCode
from ssdbench.harness.bisections import BisectionLog
from ssdbench.harness.requirement_lists import CannotInstallError
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.source_copies import CannotCopyError
from ssdbench.harness.stores.store import Store
from ssdbench.schema.bisection import Finding, Step
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import Display
from ssdbench.workflows.images import resume_run
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.measuring import begin, finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A bisection, which continues from its log.

    `setup_of` prepares a point to be measured in pairs with the first one; a point for which it raises
    CannotInstallError or CannotCopyError is skipped. A point that stays inconclusive is measured up to `attempts`
    times, each with twice the pairs. `hint` adds what the user may do next to the answer.
    """

    question: Question
    setup_of: Callable[[str], RunSetup]
    store: Store
    log: BisectionLog
    attempts: int
    display: Display
    deadline_seconds: float | None = None
    hint: Callable[[str], str] = lambda _point: ""

    def run(self, skipped: Sequence[str] = ()) -> ExitCode:
        """Measure until the first point with the change is found: OK; INCONCLUSIVE where it is not, or the budget ends.

        Each decision is written to the log before it is acted upon, and handed to the display. `skipped` points are
        not probed.

        Raises:
            SsdbenchError: a point cannot be planned for, or the store fails, or another process uses this log.
        """
        lock = self.log.searching()
        try:
            for point in skipped:
                if point not in self.log.findings:
                    self._say(point, self.log.add("skipped as asked (--skip)", image=point, finding="unknown"))
            return self._search()
        finally:
            lock.release()

    def _search(self) -> ExitCode:
        while (decision := decide(self.question, self.log.findings)).point is not None:
            if not self._probe(decision.point, decision.because):
                name = self.question.name(decision.point)
                self.display.message(f"the budget is used up: {name} is not judged; repeat the same command")
                return ExitCode.INCONCLUSIVE
        self._end(decision)
        return ExitCode.OK if decision.finding == "bad" else ExitCode.INCONCLUSIVE

    def _end(self, decision: Decision) -> None:
        if not (self.log.steps and self.log.steps[-1].image is None):
            self.log.add(decision.because, finding=decision.finding)
        self.display.message(self._cost())
        found = next((point for point in self.question.points if self.log.findings.get(point) == "bad"), None)
        self.display.message(decision.because + (self.hint(found) if found and decision.finding == "bad" else ""))

    def _cost(self) -> str:
        """How many probes and launches the search took."""
        runs = {step.run_id for step in self.log.steps if step.run_id is not None}
        probes = {step.image for step in self.log.steps if step.run_id is not None}
        launches = sum(len(self.store.load(run_id).records) for run_id in sorted(runs))
        return f"{_count(len(probes), 'probe')}, {_count(launches, 'launch')}"

    def _probe(self, point: str, because: str) -> bool:
        """Measure a point until it is judged; False where the budget ends before that."""
        self.display.message(f"{self.question.name(point)}: {because}")
        step = self.log.open_probe(point)
        while True:
            if self.deadline_seconds is not None and time.monotonic() > self.deadline_seconds:
                return False
            try:
                setup = self._setup(point, step.attempt if step is not None else 1)
            except (CannotInstallError, CannotCopyError) as error:
                self._say(point, self.log.add(str(error), image=point, finding="unknown"))
                return True
            step = self._measure(setup, point, because, step)
            assert step.run_id is not None
            run = self.store.load(step.run_id)
            if is_unfinished(self.store, run):
                return False
            verdict = judge_run(self.store, run).comparison.cases[0].verdict
            if verdict.status is Status.INCONCLUSIVE and step.attempt < self.attempts:
                because = f"it is inconclusive ({verdict.sentence}): once more, with twice the pairs"
                self.display.message(f"{self.question.name(point)}: {because}")
                step = replace(step, run_id=None, attempt=step.attempt + 1)
                continue
            self._conclude(point, step, verdict)
            return True

    def _measure(self, setup: RunSetup, point: str, because: str, step: Step | None) -> Step:
        """Begin the run of a probe, or continue it; returns the step with the run's id."""
        attempt = step.attempt if step is not None else 1
        if step is not None and step.run_id is not None:
            setup = resume_run(self.store, step.run_id, setup)
        begun = begin(self.store, setup, self.display)
        if step is None or step.run_id is None:
            step = self.log.add(because, image=point, run_id=begun.header.run_id, attempt=attempt)
        finish(begun, self.display, deadline_seconds=self.deadline_seconds)
        return step

    def _setup(self, point: str, attempt: int) -> RunSetup:
        setup, factor = self.setup_of(point), 2 ** (attempt - 1)
        settings = setup.settings
        return replace(
            setup,
            settings=replace(
                settings, pair_cap=factor * settings.pair_cap, confirm_pair_cap=factor * settings.confirm_pair_cap
            ),
        )

    def _conclude(self, point: str, step: Step, verdict: Verdict) -> None:
        finding: Finding = finding_of(verdict.status, self.question.find)
        because = f"{verdict.status.value}: {verdict.sentence}"
        self._say(point, self.log.add(because, image=point, run_id=step.run_id, attempt=step.attempt, finding=finding))

    def _say(self, point: str, step: Step) -> None:
        assert step.finding is not None
        said = self.question.said(step.finding)
        self.display.message(f"{self.question.name(point)} is {said}: {step.because}")


def effort(question: Question, findings: Mapping[str, Finding], settings: Settings, attempts: int) -> str:
    """How many probes and launches a search will take, in words."""
    left = probes_left(question, findings)
    if not left.most:
        return "nothing is left to probe"
    few = 2 * settings.first_pairs
    many = 2 * (settings.pair_cap + settings.confirm_pair_cap) * (2**attempts - 1)
    probes = f"{left.least} to {left.most}" if left.least < left.most else str(left.most)
    words = f"{probes} {'probe' if left.most == 1 else 'probes'}, {left.least * few} to {left.most * many} launches"
    if not left.is_confirmed and left.most > 1:
        words += f"; 1 probe, {few} to {many} launches, if there is no {question.find}"
    return f"{words}; one probe more for each point that has to be skipped"


def _count(number: int, what: str) -> str:
    plural = what + ("es" if what.endswith("ch") else "s")
    return f"{number} {what if number == 1 else plural}"
