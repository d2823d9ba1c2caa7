"""Trainings of two images with launchers that write made-up curves, and their host."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

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
from ssdbench.workflows.container_training import setup_of_seeds, train_images
from ssdbench.workflows.display import Quiet
from ssdbench.workflows.images import ImageSuite
from tests.trainings import EPOCHS, RESIDUALS, a_training

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


EVERYTHING = sorted((arm, seed, epoch) for arm in ("baseline", "candidate") for seed in range(1, SEEDS + 1)
                    for epoch in range(EPOCHS))  # fmt: skip
