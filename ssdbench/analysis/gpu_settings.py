"""Settings of GPUs under which launches are not compared: power limit, ECC, clocks, MPS, and usable multiprocessors.

A setting that is not known matches any other, so records of earlier versions stay comparable. A lock of the SM clock is
not always reported by the driver, but its effect is: throughout the timed region every sample says that a setting, and
nothing else, holds the clock down. Two locks are told apart by the clock held, where it differs by more than 3 %: the
clocks that a GPU can have are some 15 MHz apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from ssdbench.schema.environment import GpuSettings
from ssdbench.schema.gpu import CLOCK_SETTING, THROTTLE_REASONS, GpuSamples
from ssdbench.schema.record import Measurement, Record
from ssdbench.schema.verdict import Difference

POWER_LIMIT, ECC, SM_CLOCK, MEMORY_CLOCK = "GPU power limit", "GPU ECC", "GPU SM clock", "GPU memory clock"
MPS, MPS_SHARE, MULTIPROCESSORS, CLOCK_LOCK = "MPS", "MPS share", "GPU multiprocessors", "GPU clock lock"
_LARGEST_CLOCK_STEP = 1.03
_FREE = 0.0

_REMEDIES: Mapping[str, str] = {
    POWER_LIMIT: "set the limit with `nvidia-smi -i GPU -pl WATTS`",
    ECC: "set ECC with `nvidia-smi -i GPU -e 1` (or `-e 0`) and reset the GPU",
    SM_CLOCK: "set the clock with `nvidia-smi -i GPU -lgc MHZ`, or reset it with `-rgc` and `-rac`",
    MEMORY_CLOCK: "set the clock with `nvidia-smi -i GPU -lmc MHZ`, or reset it with `-rmc` and `-rac`",
    CLOCK_LOCK: "lock the clock with `nvidia-smi -i GPU -lgc MHZ`, or reset it with `-rgc`",
    MPS: "start or end MPS (`nvidia-cuda-mps-control`)",
    MPS_SHARE: "set or unset CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
    MULTIPROCESSORS: "measure on the same kind of GPU or slice, with the same share of MPS",
}


def setting_conditions(record: Record) -> dict[str, str]:
    """The settings of a launch's GPUs that are known, by name, in words; empty where it was not measured."""
    measurement, settings = record.measurement, record.gpu_settings
    if measurement is None:
        return {}
    found = {
        POWER_LIMIT: _words(f"{watts:g} W" for watts in _known(gpu.power_limit_watts for gpu in settings)),
        ECC: _words("on" if is_on else "off" for is_on in _known(gpu.ecc for gpu in settings)),
        SM_CLOCK: _words(f"{mhz} MHz" for mhz in _known(gpu.sm_clock_mhz for gpu in settings)),
        MEMORY_CLOCK: _words(f"{mhz} MHz" for mhz in _known(gpu.memory_clock_mhz for gpu in settings)),
        MPS: _words("on" if is_on else "off" for is_on in _known(gpu.mps for gpu in measurement.gpus)),
        MPS_SHARE: _share(settings, measurement),
        MULTIPROCESSORS: _words(map(str, sorted(set(measurement.gpu_multiprocessors)))),
    }
    return {name: value for name, value in found.items() if value}


def clock_lock_issue(baseline: Iterable[Record], measured: Iterable[Record]) -> Difference | None:
    """That the SM clocks were locked in some of these launches and not in others, or to unlike clocks."""
    there, here = _locks(baseline), _locks(measured)
    clocks = [*there, *here]
    if not clocks or max(clocks) <= _LARGEST_CLOCK_STEP * min(clocks):
        return None
    return Difference(name=CLOCK_LOCK, baseline=_locks_text(there), candidate=_locks_text(here))


def remedies(issues: Iterable[Difference]) -> str:
    """What to do about the settings among these issues, in a sentence; empty if none is one."""
    found = [_REMEDIES[issue.name] for issue in issues if issue.name in _REMEDIES]
    if not found:
        return ""
    return f"{'; '.join(found)}, and measure again; or accept a baseline under this setting (`baseline accept --name`)"


def _known(values: Iterable[float | bool | None]) -> Sequence[float | bool]:
    """The values, each once, in order; none if one of them is unknown."""
    listed = set(values)
    return [] if None in listed else sorted(value for value in listed if value is not None)


def _words(values: Iterable[str]) -> str:
    return " and ".join(values)


def _share(settings: Sequence[GpuSettings], measurement: Measurement) -> str:
    """The share of MPS that was asked for; without MPS the variable has no effect."""
    if not settings:
        return ""
    share = settings[0].mps_share_percent
    is_off = bool(measurement.gpus) and all(gpu.mps is False for gpu in measurement.gpus)
    return "all" if share is None or is_off else f"{share:g} %"


def _locks(records: Iterable[Record]) -> list[float]:
    """The locked SM clock of each launch in MHz, `_FREE` if it was not locked; without those that do not show it."""
    found = [_lock(record.measurement) for record in records if record.measurement]
    return [lock for lock in found if lock is not None]


def _lock(measurement: Measurement) -> float | None:
    locks = {_lock_of(gpu, measurement.wall_seconds) for gpu in measurement.gpus}
    return None if len(locks) != 1 else locks.pop()


def _lock_of(gpu: GpuSamples, wall_seconds: float) -> float | None:
    inside = [
        (mask, mhz)
        for moment, mask, mhz in zip(gpu.seconds, gpu.throttle_reasons, gpu.sm_clock_mhz, strict=True)
        if 0.0 <= moment <= wall_seconds
    ]
    masks = [mask for mask, _ in inside if mask is not None]
    clocks = [mhz for _, mhz in inside if mhz is not None]
    if not inside or len(masks) < len(inside):
        return None
    if not any(mask & CLOCK_SETTING for mask in masks):
        return _FREE
    is_held_by_it_alone = all(mask & CLOCK_SETTING and not mask & _OTHER_REASONS for mask in masks)
    return median(clocks) if is_held_by_it_alone and len(clocks) == len(inside) else None


def _locks_text(locks: Sequence[float]) -> str:
    words = ("none" if mhz == _FREE else f"{mhz:g} MHz" for mhz in sorted(set(locks)))
    return ", ".join(words) or "unknown"


_OTHER_REASONS = sum(THROTTLE_REASONS)
