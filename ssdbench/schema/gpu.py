"""Samples of a GPU during a launch, and the reasons that hold its clocks down."""

from __future__ import annotations

from collections.abc import Mapping

from ssdbench.compatibility import dataclass

THROTTLE_REASONS: Mapping[int, str] = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
}
"""Bits of NVML's mask by which a GPU runs slower than it is set to; idling and clocks set by somebody are none."""

POWER_CAP = 0x4
CLOCK_SETTING = 0x2
"""The bit of a clock that somebody has set or locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSamples:
    """One GPU from the warm-up to the end of the timed region, looked at about twice a second.

    `host` is the node of a cluster that has it, None where that is the machine of the run. `seconds` counts on the
    host's clock from the beginning of the timed region, so that it is negative in the warm-up; one sample lies before
    the warm-up and one after the region where there are any. All lists have a value a sample, None where the GPU did
    not answer. `energy_joules` counts from the first sample, `throttle_reasons` are NVML's masks. `foreign_pids` are
    processes that computed on the GPU and were not of the launch, None where that is not known: NVML's numbers of
    processes are not always those that the host has. `mps` is whether MPS served the launch, None if unknown.
    """

    index: int
    uuid: str | None
    seconds: tuple[float, ...]
    sm_clock_mhz: tuple[int | None, ...]
    memory_clock_mhz: tuple[int | None, ...]
    power_watts: tuple[float | None, ...]
    temperature_celsius: tuple[int | None, ...]
    memory_used_bytes: tuple[int | None, ...]
    throttle_reasons: tuple[int | None, ...]
    energy_joules: tuple[float | None, ...]
    foreign_pids: tuple[int, ...] | None = None
    host: str | None = None
    mps: bool | None = None

    @property
    def name(self) -> str:
        """What it is called where there are several."""
        return f"GPU {self.index}" + (f" of {self.host}" if self.host else "")


def throttle_words(mask: int) -> str:
    """The reasons of a mask in words; empty where nothing holds the clocks down."""
    return ", ".join(words for bit, words in THROTTLE_REASONS.items() if mask & bit)
