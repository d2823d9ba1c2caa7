"""The parts of torch's API that older versions lack, each by the name under which `ssd` uses it."""

from __future__ import annotations

import re
from typing import Any, Callable, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])

READS_PLAIN_DATA = [int(number) for number in re.findall(r"\d+", torch.__version__)[:2]] >= [2, 1]
"""Whether `torch.load(weights_only=True)` takes numbers with decimals beside tensors, as optimisers store them."""


def where_number(condition: Tensor, values: Tensor, otherwise: int) -> Tensor:
    """`values` where the condition holds, elsewhere the number, which does not change their type."""
    return values.where(condition, otherwise)


def where_tensor(condition: Tensor, values: Tensor, otherwise: int) -> Tensor:
    """The same for torch 1, which takes no number."""
    return values.where(condition, values.new_full((), otherwise))


def _takes_numbers() -> bool:
    try:
        where_number(torch.ones(1, dtype=torch.bool), torch.ones(1), 0)
    except (TypeError, RuntimeError):
        return False
    return True


where = where_number if _takes_numbers() else where_tensor


def constant_when_compiled(function: F) -> F:
    """Decorate a function whose result a compiled graph holds as a constant; nothing compiles before torch 2.1."""
    compiler = getattr(torch, "compiler", None)
    return function if compiler is None else compiler.assume_constant_result(function)
