"""The minimum cost of a torch operation: floating-point operations, and bytes read plus written.

Each input is read once and each output is written once, whatever else a kernel does; a view costs nothing. BatchNorm in
training reads its map twice, and in the backward pass also the gradient: the sums over a map must be known before it
can be normalised, and the map of a training batch does not fit into a cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ssdbench.compatibility import dataclass, zip_equal

aten = torch.ops.aten


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one launch on the device."""

    flop: int
    bytes: int


def costs(func: Any, inputs: Sequence[Tensor], arguments: Sequence[Any], output: Any) -> list[Cost]:
    """The launches of one call: none for a view, two for the backward pass of a convolution, one for anything else."""
    if func is aten.convolution_backward.default:
        return list(_convolution_backward(arguments, output))
    outputs = list(tensors(output))
    if is_free(func):
        return []
    flop = _FLOP[func](arguments, outputs[0]) if func in _FLOP else 0
    read = inputs[1:] if func.overloadpacket in _OVERWRITES else inputs
    moved = sum(map(memory_bytes, (*read, *_read_again(func, arguments), *outputs)))
    return [Cost(flop=flop, bytes=moved)]


def _read_again(func: Any, arguments: Sequence[Any]) -> list[Tensor]:
    """The maps that BatchNorm in training reads twice; argument names and positions differ between torch versions."""
    operation = func.overloadpacket.__name__
    if "batch_norm" not in operation or operation.endswith("no_training"):
        return []
    named = {argument.name: value for argument, value in zip(func._schema.arguments, arguments)}
    if not named.get("training", named.get("train", True)):
        return []
    return [value for name, value in named.items() if name in ("input", "grad_out")]


def is_free(func: Any) -> bool:
    """Whether a call launches nothing: it creates a view, allocates memory, or is not an operation on tensors."""
    if func.namespace != "aten" and func.namespace != "torchvision":
        return True
    if func.overloadpacket in _RESERVES:
        return True
    returned = func._schema.returns
    return bool(returned) and all(r.alias_info is not None and not r.alias_info.is_write for r in returned)


def writes(func: Any) -> bool:
    """Whether a call changes one of its arguments."""
    return any(r.alias_info is not None and r.alias_info.is_write for r in func._schema.returns)


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors within nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, Mapping):
        yield from tensors(list(value.values()))


def memory_bytes(tensor: Tensor) -> int:
    """Bytes of the elements of a tensor; expanded dimensions count once."""
    sizes = (size for size, stride in zip_equal(tensor.shape, tensor.stride()) if stride or size == 0)
    return math.prod(sizes) * tensor.element_size()


def _convolution_backward(arguments: Sequence[Any], output: Sequence[Tensor | None]) -> Iterator[Cost]:
    """One launch each for the gradients of the images and of the weights, if they are needed."""
    gradient, images, weight = arguments[:3]
    flop = _convolution_flop(weight, gradient)
    for read, written in ((weight, output[0]), (images, output[1])):
        if written is not None:
            yield Cost(flop=flop, bytes=sum(map(memory_bytes, (gradient, read, written))))


def _convolution_flop(weight: Tensor, output: Tensor) -> int:
    """Two operations per product of weight and input, counting its addition; weight (out, in / groups, *kernel)."""
    return 2 * output.numel() * math.prod(weight.shape[1:])


_FLOP: Mapping[Any, Callable[[Sequence[Any], Tensor], int]] = {
    aten.convolution.default: lambda arguments, output: _convolution_flop(arguments[1], output),
    aten.mm.default: lambda arguments, output: 2 * output.numel() * arguments[0].shape[-1],
    aten.bmm.default: lambda arguments, output: 2 * output.numel() * arguments[0].shape[-1],
    aten.addmm.default: lambda arguments, output: 2 * output.numel() * arguments[1].shape[-1],
}
_OVERWRITES = {aten.copy_, aten.fill_, aten.zero_}  # their previous content is not read
_RESERVES = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten._local_scalar_dense, aten.resize_}
