"""The instrumented extra pass: a few more steps after the timed region, which count in no other result.

    together: fetch, synchronise | together: phase, synchronise | together: phase, synchronise | ...

The device is synchronised after every phase, so each phase contains exactly its own work. This removes the overlap of
host and device: the phases add up to more than a step. Ranks start each phase together, so that a late rank does not
make the others' next phase look long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ssdbench.runtime.device import Device
from ssdbench.workloads.workload import Workload

PROFILED_STEPS = 3
"""At most: enough for a median per launch, and few compared with the timed steps."""


def profile(
    workload: Workload[Any], steps: int, device: Device, barrier: Callable[[], None], now: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each phase in each of `steps` steps of this rank, "fetch" first; `now` is the host's clock in seconds.

    Work of a step after its last phase is not included. All ranks must call.
    """
    seconds: dict[str, list[float]] = {}
    begin = 0.0

    def start() -> None:
        nonlocal begin
        device.synchronize()
        barrier()
        begin = now()

    def on_phase(phase: str) -> None:
        device.synchronize()
        seconds.setdefault(phase, []).append(now() - begin)
        start()

    for _ in range(steps):
        start()
        batch = workload.fetch()
        on_phase("fetch")
        workload.step(batch, on_phase)
    return seconds
