"""Seeds of two images in turns: legs, looks, kills and verdicts, with launchers that write made-up curves."""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssdbench.analysis.convergence.arms import baseline_distribution
from ssdbench.errors import UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.containers.config import Containers
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.following import StoppedError
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.suite import parse_suite
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.convergence import ConvergenceSettings, ConvergenceVerdict
from ssdbench.schema.record import Arm, ContainerImage, Failure, Run, RunOptions
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status
from ssdbench.workflows.container_training import setup_of_seeds, train_images
from ssdbench.workflows.display import NoObserver, Quiet
from ssdbench.workflows.images import ImageSuite
from ssdbench.workflows.reporting import build_accuracy_report
from ssdbench.workflows.seeds import setup_to_resume
from tests.trainings import EPOCHS, RESIDUALS, VALIDATIONS, a_training

SEEDS = 5
OLD, NEW = (ContainerImage(reference=f"bench:26.0{n}", id=f"sha256:{n}") for n in (1, 2))
Curve = Callable[[int], dict[int, float]]


class Killed(BaseException):
    """Stands for a SIGKILL of the host: nothing is caught, nothing is stored."""


def curve(factor: float = 1.0, *, late: float = 1.0, spread: float = 0.004) -> Curve:
    """AP by epoch of a seed; `factor` of all evaluations, `late` of those after the last decay."""

    def of(seed: int) -> dict[int, float]:
        ap = 0.25 * math.exp(spread * RESIDUALS[(3 * seed) % 10])
        return {3: 0.6 * factor * ap, 5: 0.7 * factor * ap, 8: factor * late * ap, 9: factor * late * ap}

    return of


class Image:
    """Stands for a launcher of one image, and trains an epoch in no time."""

    def __init__(self, arm: Arm, curve: Curve, log: list[tuple[Arm, int, int]]) -> None:
        self.arm, self.curve, self.log = arm, curve, log
        self.dies_before: tuple[int, int] | None = None
        self.fails_before: tuple[int, int] | None = None
        self.hangs: int | None = None
        self.is_stopped = False
        self.stop: threading.Event | None = None
        self.meet: threading.Barrier | None = None
        self.launches = 0

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Training | Failure:
        self.launches += 1
        if self.meet is not None:
            self.meet.wait(timeout=60)
        if self.hangs == request.seed:
            assert self.stop is not None
            self.is_stopped = self.stop.wait(timeout=20)
            raise StoppedError
        assert request.training_folder is not None
        log = Path(request.training_folder) / "training.json"
        log.parent.mkdir(parents=True, exist_ok=True)
        done = len(codec.read_training(log.read_bytes()).results) if log.exists() else 0
        aps, starts = self.curve(request.seed), 1 if not done else 2
        for epoch in range(done, EPOCHS):
            if self.dies_before == (request.seed, epoch):
                raise Killed
            if self.fails_before == (request.seed, epoch):
                return Failure(kind="crash", message="the worker ended with exit code 9")
            self.log.append((self.arm, request.seed, epoch))
            training = a_training(request.seed, curve=aps, epochs_done=epoch + 1, starts=starts)
            log.write_text(codec.dump(training))
            on_event({"event": "epoch", "epoch": epoch, "ap": aps.get(epoch)})
        return training


class Bench:
    """Two images, a store, and how to train in them; a new `Bench` is a new host process."""

    def __init__(self, store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch, **curves: Curve) -> None:
        self.store, self.folder = store, folder
        self.log: list[tuple[Arm, int, int]] = []
        self.images = {
            "baseline": Image("baseline", curves.get("baseline", curve()), self.log),
            "candidate": Image("candidate", curves.get("candidate", curve()), self.log),
        }
        monkeypatch.setattr(run_setup, "build_launchers", self.launchers)
        monkeypatch.setattr(run_setup, "prepare_images", lambda setup, on_progress: None)
        monkeypatch.setattr(run_setup, "_require_images", lambda run, options: None)

    def launchers(self, _setup: RunSetup, stop: threading.Event | None = None) -> dict[str, Image]:
        for image in self.images.values():
            image.stop = stop
        return dict(self.images)

    def setup(self, seeds: int | None = None, *, resume: bool = False, seed: int = 1) -> RunSetup:
        matrix = {"workload": "accuracy", "backbone": "resnet50", "pipeline": "torchvision", "precision": "fp32"}
        suite = parse_suite({"name": "tiny", "device": "cpu", "matrix": [matrix]}, "made")
        options = ContainerOptions(engine=ENGINES["docker"])
        asked = ImageSuite(suite=suite, options=RunOptions(), seed=seed, containers=Containers(options=options))
        return setup_of_seeds(self.store, asked.setup_of(NEW, OLD), seeds, resume=resume)

    def train(
        self,
        seeds: int | None = None,
        *,
        resume: bool = False,
        parallel: int | None = None,
        display: Quiet | None = None,
    ) -> tuple[Run, ConvergenceVerdict]:
        setup = self.setup(seeds, resume=resume)
        return train_images(
            self.store, setup, self.folder, display or Quiet(), ConvergenceSettings(), parallel=parallel
        )

    def trained(self) -> list[tuple[Arm, int, int]]:
        return list(self.log)


@pytest.fixture
def bench(store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    return lambda **curves: Bench(store, tmp_path / "results", monkeypatch, **curves)


EVERYTHING = sorted((arm, seed, epoch) for arm in ("baseline", "candidate") for seed in range(1, SEEDS + 1)
                    for epoch in range(EPOCHS))  # fmt: skip


def test_seeds_of_two_equal_images_take_turns_from_evaluation_to_evaluation_and_are_unchanged(bench: Any) -> None:
    here = bench()
    run, verdict = here.train()
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert (verdict.baseline, verdict.baseline_seeds, verdict.candidate_seeds) == (OLD.reference, SEEDS, SEEDS)
    assert not [finding for finding in verdict.findings if "resumed" in finding]
    assert sorted(here.trained()) == EVERYTHING
    # All come to an evaluation before any goes on, and the images take turns: A B B A.
    legs = [(-1, *VALIDATIONS)[n : n + 2] for n in range(len(VALIDATIONS))]
    place = 0
    for after, until in legs:
        length = (until - after) * 2 * SEEDS
        part = here.trained()[place : place + length]
        assert {epoch for _, _, epoch in part} == set(range(after + 1, until + 1))
        arms = [arm for arm, _, epoch in part if epoch == until]
        assert arms[:4] in (
            ["baseline", "candidate", "candidate", "baseline"],
            ["candidate", "baseline", "baseline", "candidate"],
        )
        place += length
    assert run == here.store.load("latest")
    assert baseline_distribution(run) is not None
    folders = {path.name for path in (here.folder / "training" / run.header.run_id).iterdir()}
    assert len(folders) == 2 * SEEDS


def test_a_broken_image_is_stopped_at_the_first_evaluation_and_not_taken_up_again(bench: Any) -> None:
    here = bench(candidate=curve(0.1))
    run, verdict = here.train()
    assert verdict.status is Status.REGRESSED
    assert verdict.epoch == VALIDATIONS[0]
    assert max(epoch for _, _, epoch in here.trained()) == VALIDATIONS[0]
    report = build_accuracy_report(here.store, here.folder, run, None)
    assert report.verdict == verdict
    again = bench(candidate=curve(0.1))
    same, later = again.train(resume=True)
    assert (same.header.run_id, later, again.trained()) == (run.header.run_id, verdict, [])


def test_a_loss_that_only_the_end_shows_is_found_at_the_end(bench: Any) -> None:
    here = bench(candidate=curve(late=0.96))
    run, verdict = here.train()
    assert verdict.status is Status.REGRESSED
    assert verdict.epoch is None
    assert sorted(here.trained()) == EVERYTHING
    assert build_accuracy_report(here.store, here.folder, run, None).verdict == verdict


def test_two_equal_images_are_not_stopped_early_however_their_seeds_scatter(bench: Any) -> None:
    _, verdict = bench(baseline=curve(spread=0.05), candidate=curve(spread=0.05)).train()
    assert verdict.epoch is None
    assert verdict.status is not Status.REGRESSED


@pytest.mark.parametrize("moment", [("candidate", 1, 0), ("candidate", 2, 2), ("baseline", 4, 5), ("candidate", 5, 9)])
def test_a_killed_host_loses_nothing_and_repeats_nothing(bench: Any, moment: tuple[Arm, int, int]) -> None:
    arm, seed, epoch = moment
    first = bench()
    first.images[arm].dies_before = (seed, epoch)
    with pytest.raises(Killed):
        first.train()
    second = bench()
    run, verdict = second.train(resume=True)
    assert sorted(first.trained() + second.trained()) == EVERYTHING
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert len(second.store.headers()) == 1
    # Where nothing was left to train in a leg, no process was started for it.
    records = {(record.arm, record.launch, record.replacement) for record in run.records}
    assert len(records) == len(run.records)


def test_a_kill_between_an_epoch_and_its_record_starts_nothing_twice(bench: Any, monkeypatch: Any) -> None:
    first = bench()
    kept: list[Any] = []

    def append(self: FileStore, record: Any) -> bool:
        if len(kept) == 3:
            raise Killed
        kept.append(record)
        return original(self, record)

    original = FileStore.append
    monkeypatch.setattr(FileStore, "append", append)
    with pytest.raises(Killed):
        first.train()
    monkeypatch.setattr(FileStore, "append", original)
    second = bench()
    second.train(resume=True)
    assert sorted(first.trained() + second.trained()) == EVERYTHING
    # The seed that had come to its evaluation waits there for the others.
    others = (2 * SEEDS - 4) * (VALIDATIONS[0] + 1)
    assert {epoch for _, _, epoch in second.trained()[:others]} == set(range(VALIDATIONS[0] + 1))
    started = sum(image.launches for bench in (first, second) for image in bench.images.values())
    assert started == 2 * SEEDS * len(VALIDATIONS)


def test_a_seed_that_fails_ends_the_run_and_is_continued_when_it_is_resumed(bench: Any) -> None:
    first = bench()
    first.images["candidate"].fails_before = (2, 4)
    _, verdict = first.train()
    assert verdict.status is Status.FAILED
    assert "the candidate failed: seed 2: the worker ended with exit code 9" in verdict.sentence
    assert max(epoch for _, _, epoch in first.trained()) <= VALIDATIONS[1]
    second = bench()
    _, verdict = second.train(resume=True)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(first.trained() + second.trained()) == EVERYTHING


def test_more_seeds_are_added_to_a_run_that_is_resumed(bench: Any) -> None:
    first = bench()
    run, _ = first.train()
    second = bench()
    more, verdict = second.train(7, resume=True)
    assert more.header.run_id == run.header.run_id
    assert {seed for _, seed, _ in second.trained()} == {6, 7}
    assert (verdict.baseline_seeds, verdict.candidate_seeds) == (7, 7)


def test_what_is_asked_otherwise_is_another_run(bench: Any) -> None:
    first = bench()
    first.train()
    assert first.setup(resume=True).resumed is not None
    assert first.setup(resume=True, seed=2).resumed is None
    assert first.setup().resumed is None


def test_too_few_seeds_and_a_run_of_one_build_are_refused(bench: Any) -> None:
    here = bench()
    with pytest.raises(UsageError, match="--seeds 4 cannot give a verdict: 5 of each image are the least"):
        here.setup(4)
    run, _ = here.train()
    with pytest.raises(UsageError, match="continue it with `ssdbench containers converge OLD NEW --resume`"):
        setup_to_resume(here.store, run.header.run_id, None)


def test_a_run_that_is_not_finished_is_inconclusive(bench: Any) -> None:
    here = bench()
    setup = here.setup()
    _, verdict = train_images(here.store, setup, here.folder, Quiet(), ConvergenceSettings(), deadline_seconds=0.0)
    assert verdict.status is Status.INCONCLUSIVE
    assert "--resume continues" in verdict.sentence
    assert replace(verdict, sentence="").margin == 0.01


def test_seeds_train_side_by_side_and_their_times_are_no_speeds(bench: Any) -> None:
    here = bench()
    here.images["baseline"].meet = here.images["candidate"].meet = threading.Barrier(2)  # no launch is alone
    run, verdict = here.train(parallel=2)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(here.trained()) == EVERYTHING
    assert run == here.store.load("latest")
    assert {record.training.side_by_side for record in run.records if record.training} == {2}
    report = build_accuracy_report(here.store, here.folder, run, None)
    for seed in (*report.seeds, report.baseline):
        assert (seed.seconds, seed.images_per_second, seed.evaluation_share) == (None, None, None)
    assert {seed.outcome.partition(", ")[2].rpartition(", ")[2] for seed in report.seeds} == {"2 seeds at a time"}
    more, _ = bench().train(6, resume=True)  # one at a time; what was trained before it was not alone
    assert {record.training.side_by_side for record in more.records if record.training} == {2}
    alone, _ = bench().train()
    assert {record.training.side_by_side for record in alone.records if record.training} == {None}


def test_a_broken_image_is_found_while_seeds_run_and_these_are_stopped(bench: Any) -> None:
    here = bench(candidate=curve(0.1))
    here.images["candidate"].hangs = 3
    run, verdict = here.train(parallel=2 * SEEDS)
    assert (verdict.status, verdict.epoch) == (Status.REGRESSED, VALIDATIONS[0])
    assert here.images["candidate"].is_stopped
    assert {record.launch for record in run.records if record.arm == "baseline"} == set(range(SEEDS))
    assert 2 not in {record.launch for record in run.records if record.arm == "candidate"}
    again = bench(candidate=curve(0.1))
    assert (again.train(resume=True)[1], again.trained()) == (verdict, [])


def test_a_seed_that_fails_stops_those_beside_it(bench: Any) -> None:
    here = bench()
    here.images["candidate"].fails_before = (2, 1)
    here.images["baseline"].hangs = 3
    _, verdict = here.train(parallel=2 * SEEDS)
    assert verdict.status is Status.FAILED
    assert "the candidate failed: seed 2" in verdict.sentence


def test_an_interruption_stops_all_and_what_is_finished_is_kept(bench: Any) -> None:
    class Interrupts(NoObserver):
        def launch_finished(self, record: Any, name: str) -> None:
            raise KeyboardInterrupt

    first = bench()
    first.images["candidate"].hangs = 3
    with pytest.raises(KeyboardInterrupt):
        first.train(parallel=3, display=Quiet(Interrupts()))
    assert len(first.store.load("latest").records) == 1
    second = bench()
    _, verdict = second.train(resume=True, parallel=2)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(first.trained() + second.trained()) == EVERYTHING
