"""Checkpoints of SSD300 v1.1: the published ones, ours, and those of other training loops (`state.weights`).

A published checkpoint is a dict with `model`, the state dict, and optionally `epoch`, `iteration`, `optimizer`,
`scheduler` and `label_map`; parameter names from older releases start with `module.`, once or more. Ours have the same
form, plus what an exact resume needs: `scaler`, `ranks` and `identity`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssdbench.atomic import atomic_file
from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd import state


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint: tensors on the CPU, names as in the bare model; None for missing entries.

    `epoch` and `iteration` are as stored: the published training loop writes the number of epochs done.
    """

    path: Path
    model: dict[str, Tensor]
    epoch: int | None = None
    iteration: int | None = None
    optimizer: dict[str, Any] | None = None
    scheduler: dict[str, Any] | None = None
    label_map: dict[int, str] | None = None
    scaler: dict[str, Any] | None = None
    ranks: list[dict[str, Tensor]] | None = None
    identity: str | None = None


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint or a bare state dict (`state.weights` has the forms); no code in the file can run.

    Raises DataError, one sentence that names the file, for anything else. torch 2.1 rejects the `Counter` in a
    published `scheduler`; later versions read it.
    """
    path = Path(path)
    found = state.read(path)
    model = state.weights(path, found)
    assert isinstance(found, Mapping)
    return Checkpoint(
        path=path,
        model=model,
        epoch=_entry(path, found, "epoch", int),
        iteration=_entry(path, found, "iteration", int),
        optimizer=_entry(path, found, "optimizer", dict),
        scheduler=_entry(path, found, "scheduler", dict),
        label_map=_entry(path, found, "label_map", dict),
        scaler=_entry(path, found, "scaler", dict),
        ranks=_entry(path, found, "ranks", list),
        identity=_entry(path, found, "identity", str),
    )


def load_model_state(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Load the state dict into a model (not wrapped); DataError, with the model untouched, if it does not fit."""
    expected = model.state_dict()
    found = state.completed(expected, checkpoint.model)
    if differs := state.difference(expected, found):
        raise DataError(f"{checkpoint.path}: not a checkpoint of this model ({differs})")
    model.load_state_dict(found)


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    *,
    epoch: int | None = None,
    iteration: int | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    scheduler: Mapping[str, Any] | None = None,
    label_map: Mapping[int, str] | None = None,
    scaler: Mapping[str, Any] | None = None,
    ranks: Sequence[Mapping[str, Tensor]] | None = None,
    identity: str | None = None,
) -> None:
    """Write a checkpoint in the published form, atomically; a wrapped model is saved without its wrapper.

    `scheduler` and `scaler` are state dicts. `ranks` has the state that differs between ranks (random numbers, position
    in the data); `identity` names the training that the checkpoint belongs to. Raises OSError if writing fails.
    """
    path = Path(path)
    entries = {
        "model": {state.unwrapped(name): tensor for name, tensor in model.state_dict().items()},
        "epoch": epoch,
        "iteration": iteration,
        "optimizer": optimizer.state_dict() if optimizer is not None else None,
        "scheduler": dict(scheduler) if scheduler is not None else None,
        "label_map": dict(label_map) if label_map is not None else None,
        "scaler": dict(scaler) if scaler is not None else None,
        "ranks": [dict(rank) for rank in ranks] if ranks is not None else None,
        "identity": identity,
    }
    with atomic_file(path) as part:
        _write(part, {name: entry for name, entry in entries.items() if entry is not None})


def _write(path: Path, entries: Mapping[str, Any]) -> None:
    try:
        with path.open("wb") as file:
            torch.save(entries, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # If the disk is full, torch raises an error of its own when it closes the archive, which hides the OSError.
        refusal = error if isinstance(error, OSError) else error.__context__
        if isinstance(refusal, OSError):
            raise OSError(refusal.errno, refusal.strerror, str(path)) from error
        raise


def _entry(path: Path, found: Mapping[str, Any], name: str, kind: type) -> Any:
    entry = found.get(name)
    if entry is not None and not isinstance(entry, kind):
        raise DataError(f"{path}: entry `{name}` is a {type(entry).__name__}, not a {kind.__name__}")
    return entry
