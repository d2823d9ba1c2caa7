"""Describes this machine without torch: GPUs from NVML, processor and kernel from the operating system."""

import os
import platform
import socket
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import psutil

from ssdbench import __version__
from ssdbench.cpu_quota import quota_below
from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpus import (
    Card,
    Gpu,
    VisibleGpus,
    installed_cards,
    of_one_model,
    order_remark,
    visible_gpus,
)
from ssdbench.harness.process import SOURCE
from ssdbench.harness.version import source_commit
from ssdbench.schema.environment import GpuState, Hardware, Host
from ssdbench.schema.variables import recordable

# NVML's levels of the common ancestor of two GPUs, with the names of `nvidia-smi topo -m`.
_PATHS: dict[int | None, str] = {0: "same board", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
# Values of CUDA_VISIBLE_DEVICES that ask for no GPU.
_NONE = ("", "-1")
_BF16_CPU_FLAGS = {"avx512_bf16", "avx512bw", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine as planning needs it; `no_gpu_reason` is a sentence if no GPU can be used.

    `system` is the operating system as `platform.system` names it. `nodes` is the number of such machines that a
    launch may use. `remarks` are sentences on installed GPUs that are not measured.
    """

    hardware: Hardware
    host: Host
    cpu_has_bf16: bool
    no_gpu_reason: str | None
    system: str = "Linux"
    nodes: int = 1
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gpus:
    """The GPUs to measure on, in CUDA's order, or why there is none."""

    gpus: tuple[GpuState, ...] = ()
    capability: tuple[int, int] | None = None
    driver: str | None = None
    links: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    none_reason: str | None = None


def probe_machine() -> Machine:
    """Describe the machine; takes milliseconds and creates no context on any GPU.

    Raises:
        EnvironmentLacksError: this Linux does not show its processes and memory, without which nothing is measured.
    """
    found = _probe_gpus()
    cpu_model, cpu_flags = _cpu()
    cpu_count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    hardware = Hardware(
        cpu_model=cpu_model,
        cpu_count=cpu_count,
        gpu_model=found.gpus[0].model if found.gpus else None,
        gpu_count=len(found.gpus),
        gpu_memory_bytes=found.gpus[0].memory_bytes if found.gpus else None,
        compute_capability=found.capability,
        cpu_quota_cores=quota_below(cpu_count),
    )
    host = Host(
        hostname=socket.gethostname(),
        os=_os_name(),
        kernel=platform.release(),
        memory_bytes=_memory_bytes(),
        driver=found.driver,
        container_image=os.environ.get("SSDBENCH_CONTAINER_IMAGE"),
        ssdbench_version=__version__,
        ssdbench_commit=source_commit(SOURCE),
        variables=recordable(os.environ),
        gpus=found.gpus,
        interconnect=(*found.links, *network_links(Path("/sys/class"))),
    )
    return Machine(
        hardware=hardware,
        host=host,
        cpu_has_bf16=bool(_BF16_CPU_FLAGS & cpu_flags),
        no_gpu_reason=found.none_reason,
        system=platform.system(),
        remarks=found.remarks,
    )


def _memory_bytes() -> int:
    try:
        total: int = psutil.virtual_memory().total
    except OSError as error:
        raise EnvironmentLacksError(
            f"{error.filename}: {error.strerror}: nothing can be planned or measured without /proc; mount it "
            "(mount -t proc proc /proc)"
        ) from None
    return total


def gpu_states() -> tuple[GpuState, ...]:
    """The current states of the GPUs to measure on, in CUDA's order; empty without a driver."""
    return _probe_gpus().gpus


def _probe_gpus() -> _Gpus:
    with nvml.opened() as complaint:
        if complaint is not None:
            return _Gpus(none_reason=f"no NVIDIA driver is available here (NVML: {complaint})")
        driver, cards = nvml.text("nvmlSystemGetDriverVersion"), installed_cards()
        variable = os.environ.get("CUDA_VISIBLE_DEVICES")
        visible = visible_gpus(cards, variable)
        if not visible.gpus:
            reason = _none_reason(cards, visible, variable)
            # A run on the CPU should not come as a surprise if a GPU was wanted.
            return _Gpus(driver=driver, none_reason=reason, remarks=() if variable in _NONE or not cards else (reason,))
        found = of_one_model(visible.gpus)
        order = order_remark(cards, variable, os.environ.get("CUDA_DEVICE_ORDER"))
        return _Gpus(
            gpus=tuple(gpu.state for gpu in found.gpus),
            capability=found.gpus[0].capability,
            driver=driver,
            links=_gpu_links([card.whole for card in cards if card.whole is not None]),
            remarks=(*visible.remarks, *found.remarks, *([order] if order else [])),
        )


def _none_reason(cards: tuple[Card, ...], visible: VisibleGpus, variable: str | None) -> str:
    if not cards:
        return "NVML finds no GPU here"
    return "; ".join(visible.remarks) or f"CUDA_VISIBLE_DEVICES={variable} leaves no GPU to measure on"


def _gpu_links(cards: list[Gpu]) -> tuple[str, ...]:
    """How the GPUs of this machine are connected: a line for NVLinks, and one for paths over PCIe."""
    handles = [card.handle for card in cards]
    counts = sorted({_nvlinks(handle) for handle in handles} - {0})
    levels = (nvml.number("nvmlDeviceGetTopologyCommonAncestor", a, b) for a, b in combinations(handles, 2))
    paths = Counter(_PATHS.get(level, "unknown") for level in levels)
    lines = [f"NVLinks of a GPU: {', '.join(map(str, counts))}"] if counts else []
    lines += [f"paths between GPUs: {', '.join(f'{n} {kind}' for kind, n in sorted(paths.items()))}"] if paths else []
    return tuple(lines)


def _nvlinks(handle: object) -> int:
    # A GPU with fewer links than the maximum refuses the query for the others.
    return sum(bool(nvml.switch("nvmlDeviceGetNvLinkState", handle, link)) for link in range(nvml.MOST_LINKS))


def network_links(classes: Path) -> tuple[str, ...]:
    """Network ports below /sys/class by kind, with their number: InfiniBand first, then Ethernet."""
    fabric = [
        f"{_fact(port / 'link_layer')} {_fact(port / 'rate')}"
        for port in sorted(classes.glob("infiniband/*/ports/*"))
        if "ACTIVE" in _fact(port / "state")
    ]
    ethernet = [
        f"network interface {_fact(interface / 'speed')} Mb/s"
        for interface in sorted(classes.glob("net/*"))
        if (interface / "device").exists() and _fact(interface / "speed").isdigit()
    ]
    return tuple(f"{count} × {kind}" for kind, count in Counter([*fabric, *ethernet]).items())


def _fact(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""  # the speed of an interface that is down cannot be read


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    facts = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name", platform.machine()), set(facts.get("flags", facts.get("features", "")).split())


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
