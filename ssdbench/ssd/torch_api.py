"""The parts of torch's API that older versions lack, each by the name under which `ssd` uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def _takes_numbers() -> bool:
    """Whether `Tensor.where` takes a number; torch 1 takes tensors alone."""
    try:
        torch.ones(1).where(torch.ones(1, dtype=torch.bool), 0)
    except (TypeError, RuntimeError):
        return False
    return True


if TYPE_CHECKING or _takes_numbers():

    def where(condition: Tensor, values: Tensor, otherwise: int) -> Tensor:
        """`values` where the condition holds, elsewhere the number, which does not change their type."""
        return values.where(condition, otherwise)
else:

    def where(condition: Tensor, values: Tensor, otherwise: int) -> Tensor:
        """`values` where the condition holds, elsewhere the number."""
        return values.where(condition, values.new_full((), otherwise))


def constant_when_compiled(function: F) -> F:
    """Decorate a function whose result a compiled graph holds as a constant; nothing compiles before torch 2.1."""
    compiler = getattr(torch, "compiler", None)
    return function if compiler is None else compiler.assume_constant_result(function)  # type: ignore[no-any-return]
