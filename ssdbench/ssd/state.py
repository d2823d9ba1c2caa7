"""Reads files of torch tensors safely, and compares them with what a model expects before anything is loaded."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ssdbench.errors import DataError

_SHOWN = 3  # names listed before "and N more"


def read(path: Path) -> object:
    """The content of a torch file, on the CPU. Only tensors and plain data are loaded, so no code can run.

    Raises DataError with one sentence if it is not such a file.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():
        raise DataError(f"{path}: not a file but a directory or a device")
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice about unsafe pickles; the message below covers it
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged files raise nearly anything: OSError, KeyError, UnpicklingError ...
            raise DataError(f"{path}: {_fault(error)}") from error


def is_state_dict(value: object) -> bool:
    """Whether a value is a non-empty mapping of names to tensors."""
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(entry, Tensor) for name, entry in value.items())
    )


def difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Describe how the names and shapes of two state dicts differ; None if they do not."""
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    reshaped = [
        f"{name} is {_size(found[name])}, not {_size(tensor)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = (("missing", missing), ("unexpected", unexpected), ("with another shape", reshaped))
    return "; ".join(f"{len(names)} {fault}: {_some(names)}" for fault, names in faults if names) or None


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _fault(error: Exception) -> str:
    """A short reason; torch's own message is a page long and advises reading the file unsafely."""
    unsupported = re.search(r"Unsupported (?:global: GLOBAL|class) ([\w.]+)", str(error))
    if unsupported:
        return f"contains {unsupported[1]}, and only tensors and plain data are loaded, so that a file can run no code"
    return "not a torch file, or a damaged one"
