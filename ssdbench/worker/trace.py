"""Traces the operations of a case's own step on the CPU with few images, and extrapolates to the case's batch size.

The cost of an operation has a fixed part (weights) and a part per image: two batch sizes give both. Cases for a GPU are
traced on the CPU too, so no GPU is needed; 16-bit arithmetic is bfloat16 there, which has the same size.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import Cpu
from ssdbench.runtime.distributed import SingleProcess
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import PRECISIONS, WORKLOADS, Case
from ssdbench.schema.roofline import GroupName, Operation

try:
    from torch.utils._python_dispatch import TorchDispatchMode
except ImportError as error:
    raise EnvironmentLacksError(f"steps are traced with torch 1.13 or newer, this is {torch.__version__}") from error

from ssdbench.worker.operations import Cost, costs, memory_bytes, tensors, writes

IMAGES = (2, 3)  # BatchNorm on the 1x1 map needs two images in training

_RELU = {"relu", "relu_", "threshold_backward"}
_ADD = {"add", "add_"}


class _CpuPrecision(PrecisionPolicy):
    """The case's precision on any CPU, even one without vector instructions for it."""

    def __init__(self, precision: str) -> None:
        self._lowered = PRECISIONS[precision].autocast_dtype is not None

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast("cpu", dtype=torch.bfloat16) if self._lowered else contextlib.nullcontext()

    def scaler(self) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One launch of a step on the device."""

    group: GroupName
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The launches of one step with each of the two batch sizes in `IMAGES`."""

    fewer: tuple[Launch, ...]
    more: tuple[Launch, ...]


def trace(case: Case) -> Trace:
    """Trace a step of the case (workload train, infer or detect); its batch size and pipeline do not matter."""
    workload = _open(case)
    batch = workload.fetch()
    more, fewer = (_launches(case, workload, _first(batch, images)) for images in reversed(IMAGES))
    workload.close()
    # The optimiser's work does not depend on the images, but it allocates its state in the first step.
    optimizer = tuple(launch for launch in fewer if launch.group == "optimizer")
    return Trace(fewer=fewer, more=(*(launch for launch in more if launch.group != "optimizer"), *optimizer))


def _open(case: Case) -> Any:
    device = Cpu(1, time.perf_counter)  # tracing is not urgent, and other programs may need the CPUs
    # A new case: compilation, input pipeline and number of ranks do not change the work of a step.
    traced = Case(
        workload=case.workload,
        device="cpu",
        world_size=1,
        batch_size_per_gpu=IMAGES[1],
        precision=case.precision,
        backbone=case.backbone,
        pipeline="resident",
        layout=case.layout,
    )
    context = RankContext(
        case=traced, device=device, precision=_CpuPrecision(case.precision), group=SingleProcess(device), seed=1
    )
    return importlib.import_module(f"ssdbench.workloads.{case.workload}").open_workload(context)


def _first(batch: Any, images: int) -> Any:
    return replace(batch, **{field.name: getattr(batch, field.name)[:images] for field in fields(batch)})


def _launches(case: Case, workload: Any, batch: Any) -> tuple[Launch, ...]:
    recorder = _Recorder(trains=WORKLOADS[case.workload].trains)
    with recorder:
        workload.step(batch, recorder.on_phase)
    return tuple(recorder.launches)


def operations(found: Trace, images: int, *, on_gpu: bool) -> tuple[Operation, ...]:
    """The operations of a step with `images` images: those with arithmetic one by one, the others per group.

    A CPU decodes image by image, a GPU the whole batch at once, with as many launches as for one image.
    """

    def at(few: float, many: float) -> float:
        return max(0.0, few + (many - few) / (IMAGES[1] - IMAGES[0]) * (images - IMAGES[0]))

    result = [
        Operation(
            group=few.group,
            launches=1,
            flop=at(few.cost.flop, many.cost.flop),
            bytes=at(few.cost.bytes, many.cost.bytes),
        )
        for few, many in zip_equal(_with_arithmetic(found.fewer), _with_arithmetic(found.more))
    ]
    for group in dict.fromkeys(launch.group for launch in found.more):
        few, many = (
            [launch.cost.bytes for launch in launches if launch.group == group and not launch.cost.flop]
            for launches in (found.fewer, found.more)
        )
        # The number of launches per image depends a little on its candidates.
        times = len(many) / IMAGES[1] if on_gpu and group == "decoding" else at(len(few), len(many))
        if times >= 1:
            result.append(Operation(group=group, launches=round(times), flop=0.0, bytes=at(sum(few), sum(many))))
    return tuple(result)


def _with_arithmetic(launches: Sequence[Launch]) -> list[Launch]:
    return [launch for launch in launches if launch.cost.flop]


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every launch of one step. The optimiser counts as one kernel, as on a GPU."""

    def __init__(self, *, trains: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches: list[Launch] = []
        self._phases = ["forward", "loss", "backward", "optimizer"] if trains else ["forward", "decoding"]
        self._has_backward_convolution = False
        self._optimizer = _Fused()

    def on_phase(self, _ended: str) -> None:
        if self._phases.pop(0) == "optimizer":
            self.launches.append(Launch(group="optimizer", cost=self._optimizer.cost()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:  # in inference mode composite operations arrive undecomposed
            decomposed = func.decompose(*args, **kwargs)
        if decomposed is not NotImplemented:
            return decomposed
        output = func(*args, **kwargs)
        phase, inputs = self._phases[0] if self._phases else None, list(tensors((args, kwargs)))
        if phase == "optimizer":
            self._optimizer.add(func, inputs, output)
        elif phase is not None:
            group = self._group(func, phase, output)
            self.launches += [Launch(group=group, cost=cost) for cost in costs(func, inputs, args, output)]
        return output

    def _group(self, func: Any, phase: str, output: Any) -> GroupName:
        name = func.overloadpacket.__name__
        if name.startswith("convolution"):
            self._has_backward_convolution |= phase == "backward"
            return "convolutions"
        if phase == "decoding":
            return "decoding"
        if phase == "loss" or (phase == "backward" and not self._has_backward_convolution):
            return "loss"
        if "batch_norm" in name:
            return "batch_norm"
        if name in _RELU:
            return "relu"
        if name in _ADD:
            # BatchNorm counts its batches in an integer tensor.
            return "additions" if output.is_floating_point() else "batch_norm"
        return "rest"


class _Fused:
    """Counts many operations as one kernel: existing data are read once, changed data are written once."""

    def __init__(self) -> None:
        self._created: set[int] = set()
        self._read: dict[int, int] = {}
        self._written: dict[int, int] = {}

    def add(self, func: Any, inputs: Sequence[Tensor], output: Any) -> None:
        if not writes(func) and set(map(_storage, tensors(output))) <= set(map(_storage, inputs)):
            return  # a view, which reads nothing
        for tensor in inputs:
            if (storage := _storage(tensor)) not in self._created:
                self._read[storage] = memory_bytes(tensor)
        for tensor in tensors(output):
            storage = _storage(tensor)
            if storage not in self._read:
                self._created.add(storage)
            elif writes(func):
                self._written[storage] = memory_bytes(tensor)

    def cost(self) -> Cost:
        return Cost(flop=0, bytes=sum(self._read.values()) + sum(self._written.values()))


def _storage(tensor: Tensor) -> int:
    storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()  # type: ignore[no-untyped-call]
    return int(storage.data_ptr())
