"""CUDA graphs: work that is recorded once and then replayed by a single call from the host.

With small batches the host takes longer to submit a network's hundreds of kernels than the GPU takes to run them; a
graph avoids that. It repeats the same kernels on the same addresses, so each input is copied into a fixed tensor.

Sources: NVIDIA, CUDA C++ Programming Guide ("CUDA Graphs"); PyTorch, "CUDA semantics" ("CUDA Graphs").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from ssdbench.compatibility import zip_equal
from ssdbench.errors import EnvironmentLacksError

T = TypeVar("T")

_WARM_UPS = 3  # enough for cuDNN's search for the fastest kernels, cuBLAS workspaces and lazy initialisation


class Recorder(Protocol):
    """Records and replays work."""

    def aside(self) -> AbstractContextManager[None]:
        """Submit the block's work to a separate stream, after the current one's work; the current one waits for it."""

    def record(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """Record what `work` submits, without running it; returns a function that replays it, and its output."""


class CudaRecorder:
    """Records work of the current GPU.

    Raises:
        EnvironmentLacksError: other threads would abort a recording of this torch.
    """

    def __init__(self) -> None:
        recording = getattr(torch.cuda, "graph", None)
        if recording is None or "capture_error_mode" not in inspect.signature(recording.__init__).parameters:
            raise EnvironmentLacksError(f"CUDA graphs need torch 2.1 or newer, this is {torch.__version__}")

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
        # Threads of DALI, a DataLoader and NCCL keep running during the recording and must not abort it.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = work()
        return graph.replay, output


class Graph(Generic[T]):
    """`work(*inputs)` as a graph, recorded for the shapes, types and memory layouts of these inputs.

    The work runs three times before it is recorded. Tensors in `restored`, such as BatchNorm statistics, get their
    content back after these runs.
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
        for tensor, content in zip_equal(restored, kept):
            tensor.copy_(content)
        self._replay, self._output = recorder.record(lambda: work(*self._inputs))

    def __call__(self, *inputs: Tensor) -> T:
        """Copy the inputs and replay; does not wait. The output's tensors are overwritten by the next call."""
        for static, given in zip_equal(self._inputs, inputs):
            static.copy_(given, non_blocking=True)
        self._replay()
        return self._output
