"""A recorder of graphs for machines without a GPU: what CUDA does on its own, in the same order, by running again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Recorder:
    """`recorded` are the tensors that recorded work writes: recording runs nothing, so their content is put back."""

    def __init__(self, recorded: Callable[[], list[Tensor]] = list) -> None:
        self.calls: list[str] = []
        self._recorded = recorded

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.calls.append("aside")
        yield
        self.calls.append("back")

    def record(self, work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        self.calls.append("record")
        tensors = self._recorded()
        with torch.no_grad():
            before = [tensor.clone() for tensor in tensors]
        output = work()
        with torch.no_grad():
            for tensor, content in zip(tensors, before, strict=True):
                tensor.copy_(content)

        def replay() -> None:
            self.calls.append("replay")
            again = work()
            for static, fresh in zip(_tensors(output), _tensors(again), strict=True):
                if fresh is not static:
                    static.copy_(fresh)

        return replay, output


def _tensors(output: Any) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else output
