"""A CUDA graph of a piece of work: submitted once, then replayed by one call of the host.

At small batches the host needs longer to submit a network's hundreds of kernels than the GPU to run them; a graph takes
that away. A graph repeats the same kernels on the same addresses, so every input is copied into tensors that stay.

Sources: NVIDIA, CUDA C++ Programming Guide ("CUDA Graphs"); PyTorch, "CUDA semantics" ("CUDA Graphs").
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_WARM_UPS = 3  # cuDNN's search for the fastest kernels, workspaces of cuBLAS and lazy initialisation end within them


class Recorder(Protocol):
    """What records and replays."""

    def aside(self) -> AbstractContextManager[None]:
        """Submit what is within to a stream of its own, behind the current one's work; that one then waits for it."""

    def record(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """Record what `work` submits, without running it: what replays it in the current stream, and its output."""


class CudaRecorder:
    """Records the current GPU's work."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        current = torch.cuda.current_stream()
        stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            yield
        current.wait_stream(stream)

    def record(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        graph = torch.cuda.CUDAGraph()
        # The threads of DALI, of a DataLoader and of NCCL go on beside the recording; what they do shall not end it.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = work()
        return graph.replay, output


class Graph(Generic[T]):
    """`work(*inputs)` as a graph, recorded for inputs of these shapes, types and memory layouts.

    The work runs three times before it is recorded. `restored` are the tensors that these runs must not change, such as
    the statistics of BatchNorm: their content is put back.
    """

    def __init__(
        self,
        work: Callable[..., T],
        inputs: Sequence[Tensor],
        *,
        restored: Sequence[Tensor] = (),
        recorder: Recorder | None = None,
    ) -> None:
        recorder = recorder or CudaRecorder()
        self._inputs = [tensor.clone() for tensor in inputs]
        kept = [tensor.clone() for tensor in restored]
        with recorder.aside():
            for _ in range(_WARM_UPS):
                work(*self._inputs)
        for tensor, content in zip(restored, kept, strict=True):
            tensor.copy_(content)
        self._replay, self._output = recorder.record(lambda: work(*self._inputs))

    def __call__(self, *inputs: Tensor) -> T:
        """Copy the inputs and replay; does not wait. The output's tensors are overwritten by the next call."""
        for static, given in zip(self._inputs, inputs, strict=True):
            static.copy_(given, non_blocking=True)
        self._replay()
        return self._output
