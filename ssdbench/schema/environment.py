"""Where a measurement was made: hardware is the key of a baseline, software is the thing under test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from ssdbench.compatibility import dataclass
from ssdbench.schema.variables import recordable


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Hardware that must be the same for two records to be compared; `cpu_count` is the logical CPUs usable here.

    `cpu_quota_cores` is how many of them a control group allows to be busy at a time, None if it does not limit them.
    `gpu_count` GPUs of one model can be measured. A slice of a card (MIG) is a model of its own, as "NVIDIA
    A100-SXM4-80GB MIG 3g.40gb", with its own memory. `gpu_memory_bytes` is that of one GPU, None where it has none of
    its own.
    """

    cpu_model: str
    cpu_count: int
    gpu_model: str | None = None
    gpu_count: int = 0
    gpu_memory_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    cpu_quota_cores: float | None = None

    @property
    def whole_cpus(self) -> int:
        """The number of threads that can be busy all the time."""
        return self.cpu_count if self.cpu_quota_cores is None else max(1, int(self.cpu_quota_cores))

    @property
    def key(self) -> str:
        """Folder name of this hardware's baselines."""
        quota = "" if self.cpu_quota_cores is None else f"{self.cpu_quota_cores:.6g}of"
        cpu = f"{quota}{self.cpu_count}x-{_slug(self.cpu_model)}"
        if self.gpu_model is None:
            return f"cpu-{cpu}"
        # A GPU that shares its memory with the CPU has none of its own to tell of.
        size = "" if self.gpu_memory_bytes is None else f"-{round(self.gpu_memory_bytes / 2**30)}gib"
        return f"{self.gpu_count}x-{_slug(self.gpu_model)}{size}--{cpu}"


def _slug(text: str) -> str:
    # Trade marks and nominal clocks differ between BIOS versions of one and the same processor.
    text = re.sub(r"\((r|tm|c)\)|@.*|\b(cpu|processor)\b", " ", text.lower())
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-") or "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """Versions as the worker saw them from inside its process (and so inside its container); None is absent."""

    python: str
    torch: str
    torchvision: str | None = None
    dali: str | None = None
    pycocotools: str | None = None
    numpy: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    cublas: str | None = None
    nccl: str | None = None
    container_release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Where the ranks of a launch ran and how they communicated, as the worker saw it.

    `rank_hosts` holds a host name per rank. `interface` is the network interface of rank 0 that has its host's
    address, None if unknown. `settings` are the variables of rank 0 that NCCL and gloo read; whatever is given, also by
    a file, only those of `schema.variables` are kept.
    """

    rank_hosts: tuple[str, ...]
    backend: str
    interface: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", recordable(self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """One GPU as NVML describes it when a run begins; None is not supported on this GPU.

    `index` is NVML's; for a slice of a card (MIG), that of the card. `power_limit_watts` is the limit in force, and
    `power_default_watts` that of the card without a setting. Clocks: `limit` is the maximum of the card,
    `application` the setting under load and `default` that value without a setting, `target` the clock that the driver
    aims at now: the locked clock, if the driver reports it.
    """

    index: int
    uuid: str | None
    model: str
    memory_bytes: int | None
    power_limit_watts: float | None = None
    sm_clock_limit_mhz: int | None = None
    memory_clock_limit_mhz: int | None = None
    sm_application_clock_mhz: int | None = None
    memory_application_clock_mhz: int | None = None
    sm_default_clock_mhz: int | None = None
    memory_default_clock_mhz: int | None = None
    sm_target_clock_mhz: int | None = None
    memory_target_clock_mhz: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    persistence: bool | None = None
    power_default_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSettings:
    """Settings that make two GPUs of one model differ in speed; launches under different ones are not compared.

    A clock is the one that the driver aims at, or is set to where it does not say. None is not supported on this GPU;
    `mps_share_percent` is the share of its multiprocessors that MPS is asked to limit the launch to, None for all.
    """

    power_limit_watts: float | None = None
    ecc: bool | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    mps_share_percent: float | None = None


def gpu_settings(gpus: Iterable[GpuState], variables: Mapping[str, str]) -> tuple[GpuSettings, ...]:
    """The settings of these GPUs for a launch with these environment variables, each once."""
    found = (
        GpuSettings(
            power_limit_watts=gpu.power_limit_watts,
            ecc=gpu.ecc,
            sm_clock_mhz=_first_known(gpu.sm_target_clock_mhz, gpu.sm_application_clock_mhz),
            memory_clock_mhz=_first_known(gpu.memory_target_clock_mhz, gpu.memory_application_clock_mhz),
            mps_share_percent=mps_share_percent(variables),
        )
        for gpu in gpus
    )
    return tuple(dict.fromkeys(found))


def mps_share_percent(variables: Mapping[str, str]) -> float | None:
    """The share of a GPU that MPS is asked to limit this process to; None if that is all, or no number."""
    try:
        share = float(variables.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", ""))
    except ValueError:
        return None
    return share if 0 < share < 100 else None


def _first_known(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine around the worker, as the host side sees it; `interconnect` is a line per kind of link.

    Of the `variables` of an environment, whatever is given, also by a file, only those of `schema.variables` are kept.
    """

    hostname: str
    os: str
    kernel: str
    memory_bytes: int
    driver: str | None = None
    container_image: str | None = None
    ssdbench_version: str
    ssdbench_commit: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    gpus: tuple[GpuState, ...] = ()
    interconnect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", recordable(self.variables))
