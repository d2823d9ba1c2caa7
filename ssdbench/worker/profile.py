"""The instrumented extra pass: a few more steps behind the timed region, which themselves enter no figure.

    together: fetch, synchronise | together: phase, synchronise | together: phase, synchronise | ...

The device is waited for after every phase, so a phase has all of its own work and none of another's, and the overlap
of host and device that a step has is lost: the phases add up to more than a step. Ranks begin each phase together, so
that one which is late does not make the others' next phase look long.
"""

from collections.abc import Callable
from typing import Any

from ssdbench.runtime.device import Device
from ssdbench.workloads.workload import Workload

PROFILED_STEPS = 3
"""At most: enough for a median in each launch, and few beside the steps that are timed."""


def profile(
    workload: Workload[Any], steps: int, device: Device, barrier: Callable[[], None], now: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each phase in each of `steps` steps of this rank, "fetch" first; `now` is the host's clock.

    What a step does after its last phase is not in them. All ranks must call.
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
