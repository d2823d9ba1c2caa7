"""Swaps components of an old image into a new one until it is known which of them undo what the new one brought."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ssdbench.analysis.blame import Answer, Group, Next, Question, decide, effort_of, finding_of
from ssdbench.analysis.blame_wording import answer_words, effort_words
from ssdbench.analysis.swapping import HOSTS_OWN, Swap, candidates, words_of
from ssdbench.errors import EnvironmentLacksError, ExitCode
from ssdbench.harness.blames import BlameLog
from ssdbench.harness.containers.components import copied_distribution, copied_files
from ssdbench.harness.containers.inside import Inside
from ssdbench.harness.containers.manifests import read_loaded
from ssdbench.harness.containers.overlays import not_loaded
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.harness.stores.store import Store
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.bisection import Direction
from ssdbench.schema.blame import BlameStep, Finding, StepKind
from ssdbench.schema.manifest import ImageManifest, component_name
from ssdbench.schema.record import ContainerImage, Overlay
from ssdbench.schema.text import pluralize
from ssdbench.schema.times import utc_now
from ssdbench.schema.verdict import Status, Verdict
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import Display
from ssdbench.workflows.images import ImageSuite, resume_run
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.manifests import launch_folders
from ssdbench.workflows.measuring import begin, finish
from ssdbench.workflows.trials import try_once

_ANSWERS: Mapping[Status, Finding] = {
    **dict.fromkeys((Status.REGRESSED, Status.WAIVED), "slower"),
    Status.UNCHANGED: "same",
    Status.IMPROVED: "faster",
}


class _OutOfTimeError(Exception):
    """The budget ended before a probe was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameSearch:
    """A search for the culprit, which continues from its log.

    `old` and `new` are inspected images, which `inside` looks into; `find` is what the new one brought. A probe that
    stays inconclusive is measured up to `attempts` times, each with twice the pairs.
    """

    old: ContainerImage
    new: ContainerImage
    suite: ImageSuite
    inside: Inside
    store: Store
    log: BlameLog
    attempts: int
    display: Display
    deadline_seconds: float | None = None
    find: Direction = "regression"

    def run(self) -> ExitCode:
        """Search until something is named: OK; INCONCLUSIVE where nothing is, or the budget ends.

        Each decision is written to the log before it is acted upon, and handed to the display.

        Raises:
            SsdbenchError: an image cannot be planned for, or the store fails, or another process uses this log.
        """
        lock = self.log.searching()
        try:
            return self._search()
        except _OutOfTimeError:
            self.display.message("the budget is used up: repeat the same command to continue")
            return ExitCode.INCONCLUSIVE
        finally:
            lock.release()

    def _search(self) -> ExitCode:
        searched, other, instead = (
            ("slower", "faster", "improvement") if self.find == "regression" else ("faster", "slower", "regression")
        )
        found = self._compare_images()
        if found != searched:
            what = f"cannot be told to be {searched}" if found == "unknown" else f"is not {searched}"
            rest = f"it is {other} (see --find {instead})" if found == other else "there is nothing to blame"
            return self._end(f"{self.new.reference} {what} than {self.old.reference}: {rest}", Answer())
        swaps, left_out = self._components()
        while isinstance(step := decide(self._loaded(swaps), self._findings(), self.find), Next):
            self._require_time()
            act = self._try if step.kind == "trial" else self._probe
            act(step, self._overlays(step.swapped, swaps))
        margin = self.suite.suite.verdict.settings().margin
        return self._end(answer_words(step, self.log.steps, left_out, self.old.reference, margin, self.find), step)

    def _loaded(self, swaps: Mapping[str, Swap]) -> Group:
        """The components without those of which a launch has shown that it did not load what took their place."""
        not_loaded = {key for step in self.log.steps for key in step.not_loaded}
        return tuple(key for key in swaps if key not in not_loaded)

    def _end(self, because: str, answer: Answer) -> ExitCode:
        self.display.message(because)
        if not (self.log.steps and self.log.steps[-1].kind == "end"):
            components = tuple(key for group in answer.groups for key in group)
            self._log("end", because, components=components, groups=answer.groups, finding=answer.finding)
        return ExitCode.OK if answer.groups else ExitCode.INCONCLUSIVE

    def _require_time(self) -> None:
        if self.deadline_seconds is not None and time.monotonic() > self.deadline_seconds:
            raise _OutOfTimeError

    def _compare_images(self) -> Finding:
        """Whether the new image is slower at all; its launches also show what a worker loads in both images."""
        known = self.log.finished("images")
        if known is not None and known.finding is not None:
            return known.finding
        least, most = self._launches()
        changed = "slower" if self.find == "regression" else "faster"
        because = f"is {self.new.reference} {changed} than {self.old.reference} at all?"
        self.display.message(f"{because} {least} to {most} launches; how many follow is told then")
        verdict, step = self._judge("images", (), because, self.new, self.old)
        finding = _ANSWERS.get(verdict.status, "unknown")
        self._conclude(step, verdict, finding)
        return finding

    def _components(self) -> tuple[Mapping[str, Swap], Mapping[str, str]]:
        """The components to swap by key, in order, and why others cannot be; both as they were when this began."""
        old, new = self._manifest(self.old), self._manifest(self.new)
        found = candidates(old, new)
        swaps, left_out = {swap.key: swap for swap in found.swaps}, dict(found.left_out)
        known = next((step for step in self.log.steps if step.kind == "components"), None)
        if known is not None:
            return {key: swaps[key] for key in known.components if key in swaps}, known.left_out
        for key, swap in list(swaps.items()):
            copied = self._copied(swap)
            if isinstance(copied, str):
                left_out[key] = copied
                del swaps[key]
        because = (
            effort_words(effort_of(tuple(swaps)), len(swaps), self._launches()) if swaps else "nothing can be swapped"
        )
        self._log("components", because, components=tuple(swaps), left_out=left_out, finding="runs")
        self.display.message(because)
        for sentence in (*words_of(left_out), HOSTS_OWN):
            self.display.message(sentence)
        if found.not_loaded:
            rest = pluralize(found.not_loaded, "more change")
            self.display.message(f"not tried, because no worker was seen to load anything of it: {rest}")
        return swaps, left_out

    def _manifest(self, image: ContainerImage) -> ImageManifest:
        found = ImageManifests(self.store.archive).of_image(image.id)
        if found is None or not found.cases:
            raise EnvironmentLacksError(
                f"what is in {image.reference} was not kept: remove {self.log.path} and repeat this command"
            )
        return found

    def _copied(self, swap: Swap) -> tuple[Overlay, ...] | str:
        if swap.distribution is None:
            return copied_files(self.inside, self.old, swap.key, swap.files)
        assert swap.place is not None
        return copied_distribution(
            self.inside, self.old, swap.distribution, place=swap.place, info=swap.info, python=self.new.python or ""
        )

    def _overlays(self, group: Group, swaps: Mapping[str, Swap]) -> ContainerImage:
        """The new image with these components of the old one."""
        overlays: list[Overlay] = []
        for key in group:
            copied = self._copied(swaps[key])
            if isinstance(copied, str):
                raise EnvironmentLacksError(f"{key} cannot be copied out of {self.old.reference} any more: {copied}")
            overlays += copied
        return replace(self.new, overlays=tuple(overlays))

    def _findings(self) -> dict[Question, Finding]:
        found: dict[Question, Finding] = {}
        for step in self.log.steps:
            if (step.kind == "trial" or step.kind == "probe") and step.finding is not None:
                found[step.kind, step.swapped] = step.finding
        return found

    def _try(self, step: Next, image: ContainerImage) -> None:
        self.display.message(step.because)
        self._log("trial", step.because, swapped=step.swapped)
        folder, failure = try_once(self.suite.setup_in(image, baseline=self.new), self.display)
        finding: Finding = "runs" if failure is None else "failed"
        because = (
            "it runs" if failure is None else f"it does not run: {failure.kind.replace('_', ' ')}: {failure.message}"
        )
        missed = not_loaded(image.overlays or (), [folder]) if failure is None else {}
        self._log("trial", because, swapped=step.swapped, finding=finding, not_loaded=missed)
        self.display.message(because)
        self._tell(missed)

    def _probe(self, step: Next, image: ContainerImage) -> None:
        self.display.message(step.because)
        verdict, last = self._judge("probe", step.swapped, step.because, image, self.new)
        finding = finding_of(verdict.status, self.find)
        missed = self._not_loaded(last, image) if finding != "failed" else {}
        self._conclude(last, verdict, "unknown" if missed else finding, missed)
        self._tell(missed)

    def _not_loaded(self, step: BlameStep, image: ContainerImage) -> Mapping[str, str]:
        """Which components the launches of a probe did not load as they were swapped, and why that is known."""
        assert step.run_id is not None
        without = {
            path for folder in launch_folders(step.run_id, "baseline") for path in read_loaded(folder)["objects"]
        }
        return not_loaded(image.overlays or (), launch_folders(step.run_id, "candidate"), without)

    def _tell(self, missed: Mapping[str, str]) -> None:
        for key, reason in missed.items():
            self.display.message(f"{component_name(key)} could not be swapped: {reason}")

    def _conclude(
        self, step: BlameStep, verdict: Verdict, finding: Finding, missed: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        because = f"{verdict.status.value}: {verdict.sentence}"
        self.log.add(
            replace(
                step,
                decided_at=utc_now(),
                because=because,
                finding=finding,
                change=verdict.change,
                low=verdict.low,
                high=verdict.high,
                not_loaded=dict(missed),
            )
        )
        self.display.message(because)

    def _judge(
        self, kind: StepKind, swapped: Group, because: str, image: ContainerImage, baseline: ContainerImage
    ) -> tuple[Verdict, BlameStep]:
        """Measure an image in pairs until it is judged, and again with more pairs while that is inconclusive."""
        step = self.log.open(kind, swapped)
        while True:
            self._require_time()
            attempt = step.attempt if step is not None else 1
            setup = self._setup(image, baseline, attempt)
            if step is not None and step.run_id is not None:
                setup = resume_run(self.store, step.run_id, setup)
            begun = begin(self.store, setup, self.display)
            if step is None or step.run_id is None:
                step = self._log(kind, because, swapped=swapped, run_id=begun.header.run_id, attempt=attempt)
            assert step.run_id is not None
            finish(begun, self.display, deadline_seconds=self.deadline_seconds)
            run = self.store.load(step.run_id)
            if is_unfinished(self.store, run):
                raise _OutOfTimeError
            verdict = judge_run(self.store, run).comparison.cases[0].verdict
            if verdict.status is not Status.INCONCLUSIVE or step.attempt >= self.attempts:
                return verdict, step
            because = f"it is inconclusive ({verdict.sentence}): once more, with twice the pairs"
            self.display.message(because)
            step = replace(step, run_id=None, attempt=step.attempt + 1)

    def _setup(self, image: ContainerImage, baseline: ContainerImage, attempt: int) -> RunSetup:
        setup, factor = self.suite.setup_in(image, baseline=baseline), 2 ** (attempt - 1)
        caps = {
            "pair_cap": factor * setup.settings.pair_cap,
            "confirm_pair_cap": factor * setup.settings.confirm_pair_cap,
        }
        return replace(setup, settings=replace(setup.settings, **caps))

    def _launches(self) -> tuple[int, int]:
        """The fewest launches of a probe, and the most, with all its attempts."""
        settings = self.suite.suite.verdict.settings()
        attempts = 2**self.attempts - 1
        return 2 * settings.first_pairs, 2 * attempts * (settings.pair_cap + settings.confirm_pair_cap)

    def _log(self, kind: StepKind, because: str, **values: object) -> BlameStep:
        make: Callable[..., BlameStep] = BlameStep
        return self.log.add(
            make(schema_version=SCHEMA_VERSION, decided_at=utc_now(), kind=kind, because=because, **values)
        )
