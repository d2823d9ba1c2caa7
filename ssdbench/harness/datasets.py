"""The images of a run: the user's, or synthetic ones that are cached. They are checked before measuring."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdbench import __version__
from ssdbench.harness.cache import cache_folder
from ssdbench.harness.process import run_module
from ssdbench.schema.case import NOT_USED, Plan
from ssdbench.schema.record import Dataset, RunOptions, SyntheticData

OnProgress = Callable[[dict[str, object]], None]

# Pipelines that need no images on disk.
_READS_NOTHING = {NOT_USED, "resident"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """A checked data set: its identity, the file from which workers read it, and what was repaired."""

    dataset: Dataset
    path: Path
    warnings: tuple[dict[str, Any], ...] = ()


def needs_images(plan: Plan) -> bool:
    """Whether any case that will be measured reads images."""
    return any(planned.skip_reason is None and planned.case.pipeline not in _READS_NOTHING for planned in plan.cases)


def synthesise(python: str, folder: Path, recipe: SyntheticData, on_progress: OnProgress) -> dict[str, Any]:
    """Create a synthetic COCO data set in `folder`, unless it is there already."""
    arguments = [
        *("ssdbench.ssd", "synth", str(folder), "--train-images", str(recipe.train_images)),
        *("--val-images", str(recipe.val_images), "--seed", str(recipe.seed), *(["--easy"] if recipe.easy else [])),
    ]
    return run_module(python, arguments, on_progress)


def verify(python: str, folder: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Check every image and annotation of a data set; returns the findings of `ssdbench.ssd`."""
    return run_module(python, ["ssdbench.ssd", "verify", str(folder)], on_progress)


def image_folder(options: RunOptions) -> Path:
    """The folder of a run's images: the user's, or that of the synthetic ones."""
    if options.data_folder is not None:
        return Path(options.data_folder)
    return cache_folder() / "synthetic" / f"{_synthetic_name(options.synthetic)}-ssdbench{__version__}"


def prepare_dataset(python: str, options: RunOptions, on_progress: OnProgress) -> PreparedData:
    """Prepare the run's data set: the user's folder, or synthetic images.

    Raises:
        WorkerError: the data set has a fault that would make measurements wrong.
    """
    folder = image_folder(options)
    if options.data_folder is not None:
        name = folder.resolve().name
    else:
        name = _synthetic_name(options.synthetic)
        synthesise(python, folder, options.synthetic, on_progress)
    result: dict[str, Any] = run_module(
        python, ["ssdbench.ssd", "prepare", str(folder), "--cache", str(cache_folder() / "prepared")], on_progress
    )
    splits = {split: result["splits"][split] for split in ("train", "val")}
    dataset = Dataset(
        name=name,
        fingerprint="-".join(str(split["fingerprint"])[:16] for split in splits.values()),
        train_images=int(splits["train"]["images"]),
        val_images=int(splits["val"]["images"]),
    )
    return PreparedData(dataset=dataset, path=Path(result["prepared"]), warnings=tuple(result["warnings"]))


def _synthetic_name(recipe: SyntheticData) -> str:
    kind = "easy" if recipe.easy else "synthetic"
    return f"{kind}-{recipe.train_images}-{recipe.val_images}-seed{recipe.seed}"
