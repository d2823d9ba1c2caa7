"""Reads files of torch tensors safely, and compares them with what a model expects before anything is loaded.

Weights are taken in the forms in which torch users store them: a bare state dict or one inside a checkpoint, with the
names of wrapped or compiled modules, with or without the counters of BatchNorm, which torch added in version 0.4.1.
"""

from __future__ import annotations

import inspect
import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ssdbench.errors import DataError, EnvironmentLacksError
from ssdbench.ssd.archive import read_archive
from ssdbench.ssd.torch_api import READS_PLAIN_DATA

_SHOWN = 3  # names listed before "and N more"
# The entries of a checkpoint that can be the state dict of its model, in this order: of the weights that were trained,
# and, where there are no others, of their moving average.
_MODELS = ("model", "state_dict", "model_state_dict", "module", "model_ema", "state_dict_ema", "ema")
# DataParallel, DistributedDataParallel and AveragedModel put `module.` before all names, torch.compile `_orig_mod.`
# before those of the compiled module.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.")
_AVERAGED = "n_averaged"  # the counter of an AveragedModel
_COUNTER = ".num_batches_tracked"


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
        # The form of torch 0.1: torch before 2.6 runs code in it although only weights are asked for (CVE-2025-32434).
        if _is_tar(file):
            raise DataError(f"{path}: a tar archive as torch 0.1 wrote them, which can run code: save it again")
        file.seek(0)
        is_zip = zipfile.is_zipfile(file)
        file.seek(0)
        if is_zip and not READS_PLAIN_DATA:
            try:
                return read_archive(file)
            except Exception as error:  # as below
                raise DataError(f"{path}: {_fault(error)}") from error
        if "weights_only" not in inspect.signature(torch.load).parameters:
            raise EnvironmentLacksError(
                f"torch {torch.__version__} cannot read {path}, which torch before 1.6 wrote, without running code in "
                "it: use torch 1.13 or newer, or save it again"
            )
        warnings.simplefilter("ignore")  # torch's advice about unsafe pickles; the message below covers it
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged files raise nearly anything: OSError, KeyError, UnpicklingError ...
            raise DataError(f"{path}: {_fault(error)}") from error


def _is_tar(file: BinaryIO) -> bool:
    """`tarfile.is_tarfile`, which takes no open file before Python 3.9."""
    try:
        tarfile.open(fileobj=file).close()
    except tarfile.TarError:
        return False
    return True


def is_state_dict(value: object) -> bool:
    """Whether a value is a non-empty mapping of names to tensors."""
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(entry, Tensor) for name, entry in value.items())
    )


def weights(path: Path, found: object) -> dict[str, Tensor]:
    """The state dict in the content of a file, with the names of the module itself.

    Raises DataError, one sentence that names the file, if there is none.
    """
    if not isinstance(found, Mapping):
        raise DataError(f"{path}: not a checkpoint but a {type(found).__name__}")
    candidates: list[Any] = [found, *(found[name] for name in _MODELS if name in found)]
    state_dict = next(filter(is_state_dict, candidates), None)
    if state_dict is None:
        entry = next((name for name in _MODELS if name in found), None)
        if entry is None:
            raise DataError(f"{path}: not a checkpoint, has none of {', '.join(_MODELS)} ({_entries(found)})")
        raise DataError(f"{path}: not a checkpoint, its entry `{entry}` is not a state dict of tensors")
    names = {unwrapped(name): tensor for name, tensor in state_dict.items() if name != _AVERAGED}
    if len(names) < len(state_dict) - (_AVERAGED in state_dict):
        raise DataError(f"{path}: not a checkpoint, some names occur with and without `module.` or `_orig_mod.`")
    return names


def unwrapped(name: str) -> str:
    """The name of a tensor without what wrappers of its module put into it."""
    return _WRAPPERS.sub("", name)


def completed(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the counters of BatchNorm that it lacks, as they are in a new model; torch adds them too."""
    counters = {name: tensor for name, tensor in expected.items() if name.endswith(_COUNTER)}
    return {**{name: counters[name] for name in counters if name not in found}, **found}


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


def _entries(found: Mapping[Any, Any]) -> str:
    shown = ", ".join(str(name) for name in list(found)[:5])
    return f"it has {len(found)}: {shown}" if found else "it is empty"


def _fault(error: Exception) -> str:
    """A short reason; torch's own message is a page long and advises reading the file unsafely."""
    text = str(error)
    unsupported = re.search(r"Unsupported (?:global: GLOBAL|class) ([\w.]+)|unsupported GLOBAL ([\w.]+)", text)
    if unsupported:
        found = unsupported[1] or unsupported[2]
        return (
            f"contains {found}, and only tensors and plain data are loaded, so that a file can run no code; "
            "save the model's state_dict() alone"
        )
    if "Unsupported operand 71" in text:  # a number with decimals
        return f"holds more than torch {torch.__version__} reads safely; use torch 2.1 or newer"
    if "TorchScript" in text:
        return "is a TorchScript archive, from which nothing is loaded; save the model's state_dict()"
    if "legacy .tar" in text:
        return (
            "is in the format of torch before 0.2; load it with that torch, and save its state_dict() with a newer one"
        )
    return "not a torch file, or a damaged one"
