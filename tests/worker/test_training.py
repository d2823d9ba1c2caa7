"""The training loop: what is kept of a training, epoch by epoch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import Cpu
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.training import Evaluation
from ssdbench.ssd.training import RECIPES
from ssdbench.worker import training
from ssdbench.worker.events import Events
from ssdbench.workloads import accuracy
from ssdbench.workloads.accuracy import BEST, LAST, Accuracy
from ssdbench.workloads.workload import Step
from tests.builders import a_case
from tests.trainings import an_evaluation


class OneRank:
    """A process group of one."""

    rank = 0

    def gather(self, value: object) -> list[object]:
        return [value]


class Graded(Accuracy):
    """Learns nothing: the AP of each evaluation is given, and a checkpoint holds the number of epochs done."""

    def __init__(self, aps: dict[int, float], done: int = 0) -> None:
        self.aps, self.epochs_done = aps, done
        self.recipe = replace(RECIPES["published"], epochs=max(aps) + 1, decay_epochs=(), validation_epochs=tuple(aps))
        self.now = done

    @property
    def steps_per_epoch(self) -> int:
        return 1

    @property
    def learning_rate(self) -> float:
        return 0.1

    def epoch(self, epoch: int) -> Iterator[Step]:
        self.now = epoch
        yield Step(images=2, loss=torch.tensor(1.0))

    def evaluate(self) -> Evaluation:
        return an_evaluation(self.aps[self.now])

    def draw(self) -> None: ...
    def close(self) -> None: ...


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch, aps: dict[int, float], done: int = 0) -> dict[str, int]:
    """Train with these APs by epoch; which epoch each checkpoint is of."""
    context = cast(
        RankContext,
        SimpleNamespace(case=a_case(), group=OneRank(), device=Cpu(torch.get_num_threads(), lambda: 0.0), seed=1),
    )

    def opened(*_: object) -> Graded:
        run = Graded(aps, done)
        cast(Any, run)._context, cast(Any, run)._folder = context, folder
        cast(Any, run)._pipeline = SimpleNamespace(state=lambda: b"x")
        cast(Any, run)._category_names = ()
        cast(Any, run)._optimizer, cast(Any, run)._scaler, cast(Any, run)._iteration = None, None, 0
        cast(Any, run)._model = None
        return run

    def save_checkpoint(path: Path, *_: object, epoch: int, **__: object) -> None:
        path.write_text(str(epoch - 1))

    monkeypatch.setattr(training, "Accuracy", opened)
    monkeypatch.setattr(accuracy, "save_checkpoint", save_checkpoint)
    request = LaunchRequest(
        schema_version=1, case=a_case(), launch=0, seed=1, output=str(folder), training_folder=str(folder)
    )
    with Events(folder, 0) as events:
        training.train(context, request, events)
    return {name: int((folder / name).read_text()) for name in (LAST, BEST) if (folder / name).exists()}


@pytest.mark.parametrize(
    ("aps", "best"),
    [
        ({0: 0.1, 1: 0.3, 2: 0.2}, 1),
        ({0: 0.3, 1: 0.1, 2: 0.2}, 0),
        ({0: 0.1, 1: 0.2, 2: 0.3}, 2),
        ({0: 0.2, 1: 0.2, 2: 0.2}, 0),  # of equals the first
        ({1: 0.0, 3: 0.0}, 1),  # the first evaluation is the best so far, whatever it says
    ],
)
def test_the_best_checkpoint_is_that_of_the_highest_ap_and_the_last_that_of_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aps: dict[int, float], best: int
) -> None:
    assert trained(tmp_path, monkeypatch, aps) == {LAST: max(aps), BEST: best}


def test_a_resumed_training_keeps_its_best_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, monkeypatch, {0: 0.1, 1: 0.3})
    assert trained(tmp_path, monkeypatch, {0: 0.1, 1: 0.3, 2: 0.2}, done=2) == {LAST: 2, BEST: 1}
