"""What the micro benchmarks share: the device, a seeded batch, and a small synthetic data set.

    pytest benchmarks/micro                                       # measure
    pytest benchmarks/micro --benchmark-autosave                  # and keep the figures
    pytest benchmarks/micro --benchmark-compare                   # measure and compare with those kept last
    pytest benchmarks/micro --benchmark-compare --benchmark-compare-fail=median:10%

They are for a developer who changes one part: quick, on one machine, within one process. What a release is judged by
are the launches of `ssdbench run`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import SyntheticSpec, synthesise

BATCH = 2  # the least that can be trained on


def ignore_progress(phase: str, done: int, total: int) -> None:
    """Nothing is shown while images are made."""


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def finished(device: torch.device) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Makes a function that returns when the device is done."""

    def waiting(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            result = function(*arguments)
            if device.type == "cuda":
                torch.cuda.synchronize()
            return result

        return call

    return waiting


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 and 16 synthetic images laid out as COCO."""
    directory = tmp_path_factory.mktemp("micro") / "coco"
    synthesise(directory, SyntheticSpec(train_images=64, val_images=16, seed=1), ignore_progress)
    return directory


@pytest.fixture(scope="session")
def prepared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(folder, tmp_path_factory.mktemp("prepared"), ignore_progress)
