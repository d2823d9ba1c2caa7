"""Communication between the ranks of a launch; the only file of the device side that uses torch.distributed.

One rank runs the same code as eight, except that it has no gradients to average.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ssdbench.errors import UsageError
from ssdbench.runtime.device import Device
from ssdbench.schema.case import RENDEZVOUS_FILE

T = TypeVar("T")

_ON_BOTH = "cpu:gloo,cuda:nccl"
_ERROR_HANDLING = "NCCL_ASYNC_ERROR_HANDLING"
_OWN_FAULT = re.compile("ncclInvalidUsage|ncclInvalidArgument|ncclUnhandledCudaError")
_LOST_PEER = re.compile(
    r"ncclRemoteError|remote process exited|Connection (closed|reset) by (remote )?peer|Connection refused|Broken pipe"
    r"|Connection was likely closed|Timed out waiting|timeout caused pair closure|NCCL timeout in communicator"
    r"|Watchdog caught collective operation timeout|NCCL communicator was aborted"
)


class ProcessGroup:
    """The process group that the environment describes.

    On one machine its ranks meet in a file: a store of torch's that listens does so on every network interface.
    """

    def __init__(self, device: Device, timeout_seconds: float) -> None:
        # Samples and objects go through gloo on the CPU, so that collecting them puts no work on the GPU.
        self.backend = _ON_BOTH if device.kind == "cuda" else "gloo"
        self._gpu_group: Any = None  # the default one
        file, limit = os.environ.get(RENDEZVOUS_FILE), timedelta(seconds=timeout_seconds)
        _name_error_handling_for_older_torch()
        takes_both = hasattr(dist.distributed_c10d, "BackendConfig")  # since torch 2.0
        backend = self.backend if takes_both else "gloo"
        if file is None:  # torchrun has described where the ranks of other machines are
            dist.init_process_group(backend, timeout=limit)
        else:
            size = _from_launch("WORLD_SIZE")
            store = dist.FileStore(file, size)  # type: ignore[attr-defined]
            dist.init_process_group(backend, store=store, world_size=size, rank=global_rank(), timeout=limit)
        if backend != self.backend:
            self._gpu_group = dist.new_group(timeout=limit, backend="nccl")
        self.rank = dist.get_rank()
        self.world_size = dist.get_world_size()
        self._device = device

    def barrier(self) -> None:
        """Wait for all ranks, on the CPU; does not wait for work on a GPU."""
        dist.all_reduce(torch.zeros(1))

    def gather(self, value: T | None) -> list[T]:
        """The values of all ranks in rank order, on every rank; a rank that passes None is omitted."""
        values: list[T | None] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return [value for value in values if value is not None]

    def gather_rows(self, rows: torch.Tensor) -> torch.Tensor | None:
        """The rows (n, ...) of all ranks in rank order on rank 0, None elsewhere.

        Tensors are on the CPU; n may differ between ranks, and no padding is sent.
        """
        counts = self.gather(len(rows))
        if self.rank > 0:
            if len(rows):
                dist.send(rows.contiguous(), dst=0)
            return None
        parts = [rows]
        for rank, count in enumerate(counts[1:], start=1):
            parts.append(rows.new_empty((count, *rows.shape[1:])))
            if count:
                dist.recv(parts[-1], src=rank)
        return torch.cat(parts)

    def share(self, value: T | None) -> T:
        """Rank 0's value on every rank; the other ranks pass None."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        assert values[0] is not None
        return values[0]

    def share_buffers(self, model: torch.nn.Module) -> None:
        """Copy the buffers of rank 0's model to all ranks: in training, each rank has its own BatchNorm statistics."""
        if self.world_size == 1:
            return
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0, group=self._gpu_group)

    def data_parallel(self, model: torch.nn.Module) -> torch.nn.Module:
        """Wrap a model so that its backward pass averages the gradients over ranks.

        A single rank has nothing to average: it trains the bare model, as the published one-GPU figures do. Weights and
        buffers start as rank 0's. Buffers are not sent before each forward pass: each rank keeps its own BatchNorm
        statistics, as in the published model, until `share_buffers`.
        """
        if self.world_size == 1:
            return model
        ids = [self._device.torch_device.index] if self._device.kind == "cuda" else None
        return DistributedDataParallel(
            model,
            device_ids=ids,
            broadcast_buffers=False,
            process_group=self._gpu_group,
            gradient_as_bucket_view=True,
        )

    def close(self) -> None:
        """Leave the group."""
        dist.destroy_process_group()


class SingleProcess(ProcessGroup):
    """A single process without a launch: for a step that is traced, not measured."""

    def __init__(self, device: Device) -> None:
        self.backend, self.rank, self.world_size, self._device = "none", 0, 1, device

    def barrier(self) -> None:
        pass

    def gather(self, value: T | None) -> list[T]:
        return [] if value is None else [value]

    def gather_rows(self, rows: torch.Tensor) -> torch.Tensor | None:
        return rows

    def share(self, value: T | None) -> T:
        assert value is not None
        return value

    def share_buffers(self, model: torch.nn.Module) -> None:
        pass

    def close(self) -> None:
        pass


def _name_error_handling_for_older_torch() -> None:
    # torch before 2.2 knows the variable by this name; later ones warn of it.
    if tuple(map(int, re.findall(r"\d+", torch.__version__)[:2])) < (2, 2) and f"TORCH_{_ERROR_HANDLING}" in os.environ:
        os.environ.setdefault(_ERROR_HANDLING, os.environ[f"TORCH_{_ERROR_HANDLING}"])


def local_rank() -> int:
    """This process's rank on its machine.

    Raises:
        UsageError: not started as a rank of a launch.
    """
    return _from_launch("LOCAL_RANK")


def global_rank() -> int:
    """This process's rank among all ranks; raises as `local_rank`."""
    return _from_launch("RANK")


def _from_launch(name: str) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        raise UsageError(f"{name} is not set: a worker is started as a rank of a launch; use `ssdbench run`") from None


def is_peer_lost(error: BaseException) -> bool:
    """Whether a collective failed because another rank disappeared, so that the cause is on that rank.

    NCCL names faults of this rank (invalid usage, a CUDA error). It reports a lost peer as ncclRemoteError; some
    versions report an internal or system error instead, and only the text about the connection shows the cause
    (NVIDIA/nccl issues 795 and 1092).
    """
    text = str(error)
    return isinstance(error, RuntimeError) and not _OWN_FAULT.search(text) and bool(_LOST_PEER.search(text))
