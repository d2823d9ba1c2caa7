"""One interface for GPUs and the CPU; besides `graph` and `cuda_libraries`, the only file that mentions CUDA.

Nothing here synchronises unless its docstring says so. In a timed region use only `Clock.mark`.
"""

from __future__ import annotations

import random
import resource
import warnings
from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch

from ssdbench.errors import EnvironmentLacksError
from ssdbench.schema.case import DeviceKind


class Clock(Protocol):
    """Takes time stamps (marks) on a device's own time line."""

    def mark(self) -> None:
        """Place a mark after the work submitted so far; does not wait for it."""

    def wait(self) -> None:
        """Wait for the work before the last mark only, not for what a pipeline reads ahead on other streams."""

    def seconds(self) -> list[float]:
        """Seconds between neighbouring marks (one less than there are marks); waits for the last one."""


class HostClock:
    """Takes marks from the host's monotonic clock: exact for devices whose work is done when a call returns."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._marks: list[float] = []

    def mark(self) -> None:
        self._marks.append(self._now())

    def wait(self) -> None:
        pass

    def seconds(self) -> list[float]:
        return [end - start for start, end in zip(self._marks, self._marks[1:])]


class EventClock:
    """Records marks as CUDA events in the current stream."""

    def __init__(self) -> None:
        self._marks: list[torch.cuda.Event] = []

    def mark(self) -> None:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        self._marks.append(event)

    def wait(self) -> None:
        self._marks[-1].synchronize()

    def seconds(self) -> list[float]:
        if self._marks:
            self._marks[-1].synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in zip(self._marks, self._marks[1:])]


class Device(Protocol):
    """The device that a rank computes on."""

    kind: DeviceKind
    timer: Literal["cuda_event", "perf_counter"]
    torch_device: torch.device

    def synchronize(self) -> None:
        """Wait until all submitted work is done on every stream of the device, including what DALI reads ahead."""

    def synchronize_stream(self) -> None:
        """Wait until the work submitted to the current stream is done, so that a fetched batch is complete.

        Work on other streams continues; it is waited for only as far as the current stream waits for it.
        """

    def clock(self) -> Clock:
        """A new clock."""

    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 matrix products and convolutions round their operands to TF32, or forbid it."""

    def reset_peak_memory(self) -> None:
        """Reset the peak memory counter, if the device has one."""

    def peak_memory_bytes(self) -> int:
        """Peak memory in bytes since the last reset: allocated on a GPU, resident in the process on a CPU."""

    def capability(self) -> tuple[int, int] | None:
        """CUDA compute capability, None on a CPU."""

    def multiprocessors(self) -> int | None:
        """Multiprocessors that this process can use, None on a CPU."""


class Cpu:
    """The host's processor, using `threads` threads."""

    kind: DeviceKind = "cpu"
    timer: Literal["cuda_event", "perf_counter"] = "perf_counter"

    def __init__(self, threads: int, now: Callable[[], float]) -> None:
        torch.set_num_threads(threads)
        self.torch_device = torch.device("cpu")
        self._now = now

    def synchronize(self) -> None:
        pass

    def synchronize_stream(self) -> None:
        pass

    def clock(self) -> Clock:
        return HostClock(self._now)

    def allow_tf32(self, allowed: bool) -> None:  # noqa: ARG002  no TF32 on a CPU: under bf16 the rest stays float32
        _set_float32_rounding(tf32=False)

    def reset_peak_memory(self) -> None:
        pass

    def peak_memory_bytes(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def capability(self) -> tuple[int, int] | None:
        return None

    def multiprocessors(self) -> int | None:
        return None


class CudaGpu:
    """The NVIDIA GPU of a local rank."""

    kind: DeviceKind = "cuda"
    timer: Literal["cuda_event", "perf_counter"] = "cuda_event"

    def __init__(self, local_rank: int) -> None:
        if not torch.cuda.is_available():
            raise EnvironmentLacksError("torch finds no NVIDIA GPU: check the driver, or measure with --device cpu")
        if local_rank >= torch.cuda.device_count():
            raise EnvironmentLacksError(
                f"rank {local_rank} has no GPU: torch sees {torch.cuda.device_count()}; ask for fewer with --gpus"
            )
        self.torch_device = torch.device("cuda", local_rank)
        torch.cuda.set_device(self.torch_device)
        torch.backends.cudnn.benchmark = True  # shapes never change, so the search ends during the warm-up

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.torch_device)

    def synchronize_stream(self) -> None:
        torch.cuda.current_stream(self.torch_device).synchronize()

    def clock(self) -> Clock:
        return EventClock()

    def allow_tf32(self, allowed: bool) -> None:
        _set_float32_rounding(tf32=allowed)

    def reset_peak_memory(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.torch_device)

    def peak_memory_bytes(self) -> int:
        return torch.cuda.max_memory_allocated(self.torch_device)

    def capability(self) -> tuple[int, int] | None:
        return torch.cuda.get_device_capability(self.torch_device)

    def multiprocessors(self) -> int | None:
        count: int = torch.cuda.get_device_properties(self.torch_device).multi_processor_count
        return count


def _set_float32_rounding(*, tf32: bool) -> None:
    """Set every switch that torch has for the rounding of float32 operands, whatever the environment has set.

    torch 2.9 added switches per backend and operation next to the old ones. If the two disagree, reading the old ones
    raises an error, and torch.compile of 2.9 and 2.10 reads them. The order matters: the new cuDNN switches come last,
    because in torch 2.9 the old one leaves them unset when it forbids TF32.
    """
    backends: Any = torch.backends
    cudnn = backends.cudnn
    precision = "tf32" if tf32 else "ieee"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*TF32", category=UserWarning)  # 2.9 deprecates the old ones
        has_new_switches = hasattr(cudnn, "conv")
        if has_new_switches:
            backends.fp32_precision = precision
            cudnn.fp32_precision = precision
        if hasattr(torch, "set_float32_matmul_precision"):
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
        else:  # torch before 1.12
            backends.cuda.matmul.allow_tf32 = tf32
        cudnn.allow_tf32 = tf32
        if has_new_switches:
            backends.cuda.matmul.fp32_precision = precision
            cudnn.conv.fp32_precision = precision
            cudnn.rnn.fp32_precision = precision


def open_device(kind: DeviceKind, local_rank: int, threads: int, now: Callable[[], float]) -> Device:
    """Open the device of this rank; `now` is a monotonic host clock in seconds.

    Raises:
        EnvironmentLacksError: there is no such GPU.
    """
    return CudaGpu(local_rank) if kind == "cuda" else Cpu(threads, now)


def supports_bf16(device: Device) -> bool:
    """Whether the hardware computes in bfloat16, instead of emulating it in float32."""
    capability = device.capability()
    if capability is not None:
        return capability >= (8, 0)
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # torch 1 does not say
        return False


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, including those of the GPUs."""
    random.seed(seed)
    torch.manual_seed(seed)


def random_state(device: Device) -> torch.Tensor:
    """The state of torch's generators on this rank, CPU first, then its GPU, as one uint8 tensor."""
    states = [torch.get_rng_state()]
    if device.kind == "cuda":
        states.append(torch.cuda.get_rng_state(device.torch_device))
    return torch.cat(states)


def restore_random_state(device: Device, state: torch.Tensor) -> None:
    """Restore the generators to a state from `random_state`."""
    size = torch.get_rng_state().numel()
    torch.set_rng_state(state[:size])
    if device.kind == "cuda":
        torch.cuda.set_rng_state(state[size:], device.torch_device)


def is_gpu_allocator_error(error: BaseException) -> bool:
    """Whether torch's GPU memory allocator failed; see `out_of_memory` for all other allocators."""
    kinds = (getattr(place, "OutOfMemoryError", None) for place in (torch, torch.cuda))  # neither before torch 1.13
    return isinstance(error, tuple(kind for kind in kinds if kind is not None))


def free_gpu_memory_bytes() -> int | None:
    """Free memory of this rank's GPU in bytes, counting all processes; None if no GPU answers."""
    if not torch.cuda.is_initialized() or not hasattr(torch.cuda, "mem_get_info"):  # type: ignore[no-untyped-call]
        return None
    try:
        free: int = torch.cuda.mem_get_info()[0]
    except RuntimeError:  # after some faults the GPU no longer answers
        return None
    return free
