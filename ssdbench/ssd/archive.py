"""Reads what `torch.save` wrote, where torch itself (before 2.1) cannot do so without running code in the file.

A file of torch 1.6 or newer is a zip archive: `data.pkl` has the structure, `data/KEY` the bytes of each storage. The
pickle gets nothing to call but what is listed here, which makes containers and tensors of these bytes.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

# Name of the storage's class -> how numpy reads its bytes, and its type.
_STORAGES = {
    "DoubleStorage": (np.float64, torch.float64),
    "FloatStorage": (np.float32, torch.float32),
    "HalfStorage": (np.float16, torch.float16),
    "BFloat16Storage": (np.int16, torch.bfloat16),
    "LongStorage": (np.int64, torch.int64),
    "IntStorage": (np.int32, torch.int32),
    "ShortStorage": (np.int16, torch.int16),
    "CharStorage": (np.int8, torch.int8),
    "ByteStorage": (np.uint8, torch.uint8),
    "BoolStorage": (np.bool_, torch.bool),
}


def read_archive(file: BinaryIO) -> object:
    """The content of a file that `zipfile.is_zipfile` knows; tensors are on the CPU.

    Raises:
        pickle.UnpicklingError: it holds more than tensors and plain data; the message names what.
        Exception: of nearly any kind, for a damaged file.
    """
    with zipfile.ZipFile(file) as archive:
        if any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist()):
            raise pickle.UnpicklingError("a TorchScript archive")
        (pickled,) = (name for name in archive.namelist() if PurePosixPath(name).parts[1:] == ("data.pkl",))
        folder = pickled[: -len("data.pkl")]
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise pickle.UnpicklingError("written on a machine of another byte order")
        with archive.open(pickled) as structure:
            return _Unpickler(structure, archive, folder).load()


def _tensor(
    storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], requires_grad: bool = False, *_: object
) -> Tensor:
    """As torch's `_rebuild_tensor_v2`; a view that leaves its storage is refused by torch."""
    return torch.as_strided(storage, tuple(size), tuple(stride), offset).requires_grad_(requires_grad)


def _parameter(data: Tensor, requires_grad: bool = True, *_: object) -> torch.nn.Parameter:
    """As torch's `_rebuild_parameter`."""
    return torch.nn.Parameter(data, requires_grad)


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    **{("torch", name): name for name in _STORAGES},
}


class _Unpickler(pickle.Unpickler):
    """An unpickler to which no other class or function exists than those of `_KNOWN`."""

    def __init__(self, structure: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(structure)
        self._archive = archive
        self._folder = folder
        self._read: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"Unsupported class {module}.{name}")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        word, kind, key, _, count = pid
        if word != "storage" or kind not in _STORAGES or not isinstance(key, str):
            raise pickle.UnpicklingError(f"Unsupported class {kind}")
        if key not in self._read:
            as_read, dtype = _STORAGES[kind]
            content: np.ndarray[Any, Any] = np.frombuffer(
                bytearray(self._archive.read(f"{self._folder}data/{key}")), as_read
            )
            if len(content) != count:
                raise pickle.UnpicklingError(f"{len(content)} numbers in a storage of {count}")
            self._read[key] = torch.from_numpy(content).view(dtype)
        return self._read[key]
