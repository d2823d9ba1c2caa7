"""What this machine is, without torch: GPUs by NVML, the processor and the kernel by the operating system."""

import os
import platform
import socket
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import psutil
import pynvml

from ssdbench import __version__
from ssdbench.harness.launchers.process import SOURCE, source_commit
from ssdbench.schema.environment import GpuState, Hardware, Host

# Variables that change what is measured; recorded by value, so nothing that could hold a secret belongs here.
_RELEVANT_PREFIXES = ("CUDA_", "NCCL_", "OMP_", "MKL_", "GLOO_", "TORCH_", "PYTORCH_", "NVIDIA_", "CUBLAS_", "CUDNN_")
# NVML's levels of the common ancestor of two GPUs, by the names of `nvidia-smi topo -m`.
_PATHS: dict[int | None, str] = {0: "same board", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
_BF16_CPU_FLAGS = {"avx512_bf16", "avx512bw", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine as planning needs it; `no_gpu_reason` is a sentence where no GPU can be used.

    `nodes` is how many such machines a launch may be spread over.
    """

    hardware: Hardware
    host: Host
    cpu_has_bf16: bool
    no_gpu_reason: str | None
    nodes: int = 1


def probe_machine() -> Machine:
    """Look at the machine; takes milliseconds and leaves no context on any GPU."""
    gpus, capability, driver, no_gpu_reason = _probe_gpus()
    cpu_model, cpu_flags = _cpu()
    hardware = Hardware(
        cpu_model=cpu_model,
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        gpu_model=gpus[0].model if gpus else None,
        gpu_count=len(gpus),
        gpu_memory_bytes=gpus[0].memory_bytes if gpus else None,
        compute_capability=capability,
    )
    host = Host(
        hostname=socket.gethostname(),
        os=_os_name(),
        kernel=platform.release(),
        memory_bytes=psutil.virtual_memory().total,
        driver=driver,
        container_image=os.environ.get("SSDBENCH_CONTAINER_IMAGE"),
        ssdbench_version=__version__,
        ssdbench_commit=source_commit(SOURCE),
        variables={name: value for name, value in sorted(os.environ.items()) if name.startswith(_RELEVANT_PREFIXES)},
        gpus=gpus,
        interconnect=(*_gpu_links(), *network_links(Path("/sys/class"))),
    )
    return Machine(
        hardware=hardware,
        host=host,
        cpu_has_bf16=bool(_BF16_CPU_FLAGS & cpu_flags),
        no_gpu_reason=no_gpu_reason,
    )


def gpu_states() -> tuple[GpuState, ...]:
    """The GPUs as they are now; none where there is no driver."""
    return _probe_gpus()[0]


def _probe_gpus() -> tuple[tuple[GpuState, ...], tuple[int, int] | None, str | None, str | None]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), None, None, f"no NVIDIA driver answers here (NVML: {error})"
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        states = [_gpu_state(index, handle) for index, handle in enumerate(handles)]
        visible = _visible([state.uuid for state in states], os.environ.get("CUDA_VISIBLE_DEVICES"))
        if not visible:
            return (
                (),
                None,
                driver,
                "CUDA_VISIBLE_DEVICES leaves no GPU to measure on" if handles else "no GPU is fitted",
            )
        capability = pynvml.nvmlDeviceGetCudaComputeCapability(handles[visible[0]])
        return tuple(states[index] for index in visible), tuple(capability), driver, None
    finally:
        pynvml.nvmlShutdown()


def _gpu_links() -> tuple[str, ...]:
    """How the GPUs of this machine reach one another, a line for the NVLinks and one for the paths over PCIe."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        counts = sorted({_nvlinks(handle) for handle in handles} - {0})
        paths = Counter(_PATHS.get(_path(a, b), "unknown") for a, b in combinations(handles, 2))
    finally:
        pynvml.nvmlShutdown()
    lines = [f"NVLinks of a GPU: {', '.join(map(str, counts))}"] if counts else []
    lines += [f"paths between GPUs: {', '.join(f'{n} {kind}' for kind, n in sorted(paths.items()))}"] if paths else []
    return tuple(lines)


def _nvlinks(handle: object) -> int:
    def is_active(link: int) -> bool:
        try:
            return bool(pynvml.nvmlDeviceGetNvLinkState(handle, link))
        except pynvml.NVMLError:
            return False  # fewer links than the most that any GPU has

    return sum(map(is_active, range(pynvml.NVML_NVLINK_MAX_LINKS)))


def _path(one: object, other: object) -> int | None:
    try:
        level: int = pynvml.nvmlDeviceGetTopologyCommonAncestor(one, other)
    except pynvml.NVMLError:
        return None
    return level


def network_links(classes: Path) -> tuple[str, ...]:
    """Kinds of ports to other machines below /sys/class with how many there are of each: InfiniBand, then Ethernet."""
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
        return ""  # an interface that is down does not tell its speed


def _visible(uuids: list[str], variable: str | None) -> list[int]:
    """Indices that CUDA will show; like CUDA, the list ends at the first name that fits no GPU."""
    if variable is None:
        return list(range(len(uuids)))
    visible: list[int] = []
    for name in (part.strip() for part in variable.split(",")):
        matches = [index for index, uuid in enumerate(uuids) if name == str(index) or (name and uuid.startswith(name))]
        if not matches:
            break
        visible.append(matches[0])
    return visible


def _gpu_state(index: int, handle: object) -> GpuState:
    def ask(question: str, *arguments: object) -> object | None:
        try:
            answer: object = getattr(pynvml, question)(handle, *arguments)
        except pynvml.NVMLError:
            return None  # not every GPU answers every question; the schema says so with None
        return answer

    def number(answer: object | None) -> int | None:
        return answer if isinstance(answer, int) else None

    def switch(answer: object | None) -> bool | None:
        value = answer[0] if isinstance(answer, (list, tuple)) else answer
        return None if value is None else bool(value)

    milliwatts = number(ask("nvmlDeviceGetEnforcedPowerLimit"))
    return GpuState(
        index=index,
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        model=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        power_limit_watts=None if milliwatts is None else milliwatts / 1000,
        sm_clock_limit_mhz=number(ask("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_SM)),
        memory_clock_limit_mhz=number(ask("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_MEM)),
        ecc=switch(ask("nvmlDeviceGetEccMode")),
        mig=switch(ask("nvmlDeviceGetMigMode")),
        persistence=switch(ask("nvmlDeviceGetPersistenceMode")),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


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
