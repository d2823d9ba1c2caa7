"""What the tests of the data share: names, and faults to plant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssdbench.ssd.pipelines.contract import PipelineOptions
from ssdbench.ssd.synthetic import SyntheticSpec

RECIPE = SyntheticSpec(train_images=63, val_images=14, seed=5)  # the first images hold an empty, a crowd and a grey one

Document = dict[str, Any]
Plant = Callable[..., Path]
Options = Callable[..., PipelineOptions]


def ignore_progress(phase: str, done: int, total: int) -> None:
    """For calls that report progress."""


def train_annotations(directory: Path) -> Path:
    return directory / "annotations" / "instances_train2017.json"


def first_image(directory: Path) -> Path:
    return min((directory / "train2017").iterdir())


def cut(path: Path, fraction: float = 0.5) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
