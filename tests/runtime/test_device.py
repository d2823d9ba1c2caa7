"""What a device does, seen without one: the order of its calls, and the units of its clock."""

from typing import Any

import pytest
import torch

from ssdbench.runtime.cuda_libraries import divide_version_code
from ssdbench.runtime.device import Cpu, CudaGpu, EventClock, is_gpu_allocator_error, supports_bf16
from ssdbench.runtime.out_of_memory import memory_exhausted


class Event:
    """A CUDA event on a scripted time line, in milliseconds as CUDA counts."""

    def __init__(self, calls: list[str], milliseconds: float) -> None:
        self.calls, self.milliseconds = calls, milliseconds

    def record(self) -> None:
        self.calls.append(f"record {self.milliseconds:g}")

    def synchronize(self) -> None:
        self.calls.append(f"wait for {self.milliseconds:g}")

    def elapsed_time(self, end: "Event") -> float:
        self.calls.append("ask")
        return end.milliseconds - self.milliseconds


def test_the_event_clock_gives_seconds_and_waits_for_the_last_mark_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    line = iter([0.0, 250.0, 1000.0])

    def event(*, enable_timing: bool) -> Event:
        assert enable_timing
        return Event(calls, next(line))

    monkeypatch.setattr(torch.cuda, "Event", event)
    clock = EventClock()
    for _ in range(3):
        clock.mark()
    assert calls == ["record 0", "record 250", "record 1000"]
    assert clock.seconds() == [0.25, 0.75]
    assert calls[3:] == ["wait for 1000", "ask", "ask"]


def test_the_event_clock_without_marks_has_no_seconds() -> None:
    assert EventClock().seconds() == []


def test_a_stream_is_waited_for_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Stream:
        def synchronize(self) -> None:
            calls.append("stream")

    def current(device: Any) -> Stream:
        assert device == torch.device("cuda", 1)
        return Stream()

    monkeypatch.setattr(torch.cuda, "current_stream", current)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: calls.append("device"))
    gpu = CudaGpu.__new__(CudaGpu)
    gpu.torch_device = torch.device("cuda", 1)
    gpu.synchronize_stream()
    assert calls == ["stream"]
    gpu.synchronize()
    assert calls == ["stream", "device"]


@pytest.mark.parametrize(("code", "version"), [(2708, (2, 7, 8)), (2804, (2, 8, 4)), (21003, (2, 10, 3))])
def test_the_number_that_older_torch_has_for_nccl_is_divided(code: int, version: tuple[int, int, int]) -> None:
    assert divide_version_code(code) == version


def test_torch_before_1_12_has_one_switch_for_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    gpu = CudaGpu.__new__(CudaGpu)
    gpu.allow_tf32(False)
    with monkeypatch.context() as older:
        older.delattr(torch, "set_float32_matmul_precision")
        gpu.allow_tf32(True)
    assert torch.backends.cuda.matmul.allow_tf32
    gpu.allow_tf32(False)


def test_without_an_error_class_of_its_own_no_error_is_the_allocators(monkeypatch: pytest.MonkeyPatch) -> None:
    error = torch.cuda.OutOfMemoryError("CUDA out of memory")
    assert is_gpu_allocator_error(error)
    monkeypatch.delattr(torch, "OutOfMemoryError")
    monkeypatch.delattr(torch.cuda, "OutOfMemoryError")
    assert not is_gpu_allocator_error(error)
    assert memory_exhausted(error) == "gpu"  # by its text


def test_bf16_of_a_cpu_is_not_claimed_where_torch_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(f"No such operator mkldnn::{name}")

    monkeypatch.setattr(torch.ops, "mkldnn", Silent())
    assert not supports_bf16(Cpu.__new__(Cpu))
