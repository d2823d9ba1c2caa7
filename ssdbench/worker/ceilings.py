"""Measures the limits of a device: matrix products in each arithmetic, a copy, and the host's cost of an operation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import nn

from ssdbench.runtime.device import Device, supports_bf16
from ssdbench.schema.roofline import Arithmetic, Ceilings

REPEATS = 5
TF32_CAPABILITY = (8, 0)


def measure(device: Device) -> Ceilings:
    """Measure the ceilings of a device that is otherwise idle; takes some seconds."""
    found = measure_rates(device, _arithmetics(device))
    return replace(found, host_seconds_per_operation=_host(device)) if device.kind == "cuda" else found


def measure_rates(device: Device, arithmetics: Iterable[Arithmetic]) -> Ceilings:
    """The ceilings without the host's, for matrix products in these kinds of arithmetic only."""
    return Ceilings(
        source=f"measured on this machine with torch {torch.__version__}",
        matmul_flop_per_second={arithmetic: _matmul(device, arithmetic) for arithmetic in arithmetics},
        copy_bytes_per_second=_copy(device),
    )


def _arithmetics(device: Device) -> list[Arithmetic]:
    capability = device.capability()
    found: list[Arithmetic] = ["fp32"]
    found += ["bf16"] if supports_bf16(device) else []
    found += ["fp16"] if capability is not None else []
    return [*found, "tf32"] if capability is not None and capability >= TF32_CAPABILITY else found


def _matmul(device: Device, arithmetic: Arithmetic) -> float:
    side = 8192 if device.kind == "cuda" else 1024
    dtypes = {"fp16": torch.float16, "bf16": torch.bfloat16}
    device.allow_tf32(arithmetic == "tf32")
    factors = torch.randn(2, side, side, device=device.torch_device).to(dtypes.get(arithmetic, torch.float32))
    return 2 * side**3 / _seconds(device, lambda: factors[0] @ factors[1])


def _copy(device: Device) -> float:
    count = (1 if device.kind == "cuda" else 1 / 8) * 2**28
    source = torch.zeros(int(count), device=device.torch_device)
    target = torch.empty_like(source)
    seconds = _seconds(device, lambda: target.copy_(source))
    return 2 * source.numel() * source.element_size() / seconds


def _host(device: Device) -> float:
    """Seconds to submit one operation of a network: convolution, BatchNorm and ReLU on tiny maps."""
    blocks = 40
    layers = [m for _ in range(blocks) for m in (nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True))]
    network = nn.Sequential(*layers).to(device.torch_device).eval()
    images = torch.zeros(1, 8, 8, 8, device=device.torch_device)
    found = []
    with torch.inference_mode():
        network(images)
        for _ in range(REPEATS):
            device.synchronize()
            begin = time.perf_counter()
            network(images)
            found.append(time.perf_counter() - begin)
    return min(found) / len(layers)


def _seconds(device: Device, work: Callable[[], object], times: int = 5) -> float:
    """Seconds per call in the fastest of `REPEATS` rounds."""
    work()
    found = []
    for _ in range(REPEATS):
        device.synchronize()
        begin = time.perf_counter()
        for _ in range(times):
            work()
        device.synchronize()
        found.append((time.perf_counter() - begin) / times)
    return min(found)
