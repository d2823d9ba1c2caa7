"""Which operator a span or a kernel of a trace counts for, and what it was given."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

from ssdbench.worker.chrome_trace import Kernel, Span

_WRAPPERS = re.compile(r"autograd::engine|torch::autograd::|\w+Backward\d*$|CompiledFunction|Torch-Compiled|## Call ")
_COPIES = {
    *("aten::copy_", "aten::_to_copy", "aten::to", "aten::contiguous", "aten::clone", "aten::_foreach_copy_"),
    *("aten::_copy_from", "aten::to_mkldnn", "aten::to_dense", "aten::mkldnn_reorder_conv2d_weight"),
}
_COPY_KERNELS = re.compile(r"nchwToNhwc|nhwcToNchw|Memcpy|copy_kernel|direct_copy|convertTensor", re.IGNORECASE)


class Counted(NamedTuple):
    """What a span or a kernel counts for."""

    operator: Span
    copies: bool


def launcher_of(kernel: Kernel) -> tuple[Span | None, bool]:
    """The outermost operator that launched a kernel (None for a graph or another thread), and whether to copy."""
    is_copy = _COPY_KERNELS.search(kernel.span.name) is not None
    span, operator = kernel.launch, None
    while span is not None:
        if _is_operator(span):
            is_copy = is_copy or span.name in _COPIES
            operator = span
        span = span.parent
    return operator, is_copy


def counted_as(span: Span) -> Counted | None:
    """What a span counts for: an outermost operator, or the outermost copy within one; None for all others."""
    if not _is_operator(span) or is_within_communication(span):
        return None
    above = [parent for parent in _parents(span) if _is_operator(parent)]
    is_copy = span.name in _COPIES
    if not above:
        return Counted(operator=span, copies=is_copy)
    if is_copy and not any(parent.name in _COPIES for parent in above):
        return Counted(operator=above[-1], copies=True)
    return None


def _parents(span: Span) -> Iterator[Span]:
    parent = span.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _is_operator(span: Span) -> bool:
    """Whether it is an operator of the model, and not what calls some."""
    return span.is_operator and not span.communicates and not _WRAPPERS.match(span.name)


def is_outermost_operator(span: Span) -> bool:
    """Whether no other operator called it."""
    return _is_operator(span) and not any(_is_operator(parent) for parent in _parents(span))


def is_within_communication(span: Span) -> bool:
    """Whether it communicates, or something that does called it."""
    return span.communicates or any(parent.communicates for parent in _parents(span))


def inputs_of(operator: Span | None) -> tuple[str, str]:
    """Shapes of the first inputs of an operator, and the layout of its first input with four dimensions."""
    if operator is None:
        return "", ""
    sizes = operator.arguments.get("Input Dims") or []
    strides = operator.arguments.get("Input Strides") or []
    shown = ["x".join(map(str, size)) for size in sizes if _is_shape(size)]
    layout = ""
    for size, stride in zip(sizes, strides):
        if _is_shape(size) and len(size) == 4 and _is_shape(stride) and len(stride) == 4:
            layout = _layout(size, stride)
            break
    return " ".join(shown[:2]), layout


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(number, int) for number in value)


def _layout(size: Sequence[int], stride: Sequence[int]) -> str:
    _, channels, height, width = size
    if channels == 1 or height * width == 1:
        return ""  # both at once
    if stride[1] == 1 and stride[3] == channels:
        return "channels_last"
    return "contiguous" if stride[3] == 1 and stride[1] == height * width else "other"
