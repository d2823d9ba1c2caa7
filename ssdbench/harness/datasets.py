"""The images of a run: the user's, or synthetic ones that are cached. They are checked before measuring."""

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdbench import __version__
from ssdbench.errors import ExitCode
from ssdbench.harness.cache import cache_folder
from ssdbench.harness.process import WorkerError, run_module
from ssdbench.schema.case import NOT_USED, Plan
from ssdbench.schema.record import Dataset, RunOptions, SyntheticData

SPLITS = ("train", "val")
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


def verify(python: str, folder: Path, on_progress: OnProgress, *, follow_links: bool = False) -> dict[str, Any]:
    """Check every image and annotation of a data set; returns the findings of `ssdbench.ssd`."""
    return run_module(python, ["ssdbench.ssd", "verify", str(folder), *_links(follow_links)], on_progress)


def image_folder(options: RunOptions) -> Path:
    """The folder of a run's images: the user's, or that of the synthetic ones."""
    if options.data_folder is not None:
        return Path(options.data_folder)
    return cache_folder() / "synthetic" / f"{_synthetic_name(options.synthetic)}-ssdbench{__version__}"


def prepare_dataset(
    python: str, options: RunOptions, on_progress: OnProgress, *, splits: Sequence[str] = SPLITS
) -> PreparedData:
    """Prepare the run's data set: the user's folder, or synthetic images. Only `splits` are read and checked.

    What was repaired goes to `on_progress` too, as events called `warning`, each with a `message`.

    Raises:
        WorkerError: the data set has a fault that would make measurements wrong.
    """
    folder = image_folder(options)
    if options.data_folder is not None:
        name = folder.resolve().name
        result = _prepare(python, folder, options, splits, on_progress)
    else:
        name = _synthetic_name(options.synthetic)
        result = _prepare_synthetic(python, folder, options, splits, on_progress)
    found = {split: result["splits"][split] for split in splits}
    images = {split: int(fields["images"]) for split, fields in found.items()}
    dataset = Dataset(
        name=name,
        fingerprint="-".join(str(fields["fingerprint"])[:16] for fields in found.values()),
        train_images=images.get("train", 0),
        val_images=images.get("val", 0),
    )
    warnings = tuple(result["warnings"])
    for finding in warnings:
        on_progress({"event": "warning", "message": _sentence(finding)})
    return PreparedData(dataset=dataset, path=Path(result["prepared"]), warnings=warnings)


def _prepare(
    python: str, folder: Path, options: RunOptions, splits: Sequence[str], on_progress: OnProgress
) -> dict[str, Any]:
    chosen = [word for split in splits for word in ("--split", split)]
    place = ("--cache", str(cache_folder() / "prepared"))
    arguments = ["ssdbench.ssd", "prepare", str(folder), *place, *chosen, *_links(bool(options.follow_links))]
    return run_module(python, arguments, on_progress)


def _prepare_synthetic(
    python: str, folder: Path, options: RunOptions, splits: Sequence[str], on_progress: OnProgress
) -> dict[str, Any]:
    """Prepare the synthetic images of the cache; draw them again if any are damaged, or were removed by a cleaner."""
    for attempt in (1, 2):
        try:
            synthesise(python, folder, options.synthetic, on_progress)
            return _prepare(python, folder, options, splits, on_progress)
        except WorkerError as error:
            if attempt == 2 or error.exit_code != ExitCode.BAD_DATA:
                raise
            _remove(folder)
    raise AssertionError("the second attempt returns or raises")


def _remove(folder: Path) -> None:
    """Remove a folder of the cache; another process that does the same is no error."""
    gone = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.damaged")
    with suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone)


def _links(follow: bool) -> list[str]:
    return ["--follow-links"] if follow else []


def _sentence(finding: Mapping[str, Any]) -> str:
    more = ", ..." if finding["count"] > len(finding["examples"]) else ""
    examples = f" ({', '.join(finding['examples'])}{more})" if finding["examples"] else ""
    return f"{finding['message']}{examples}: {finding['remedy']}"


def _synthetic_name(recipe: SyntheticData) -> str:
    kind = "easy" if recipe.easy else "synthetic"
    return f"{kind}-{recipe.train_images}-{recipe.val_images}-seed{recipe.seed}"
