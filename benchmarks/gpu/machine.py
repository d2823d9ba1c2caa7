"""Stages that look at the machine: versions, ceilings, precisions, NVML."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.gpu.check import Check, Stage
from ssdbench.runtime.cuda_libraries import cublas_version, cuda_versions
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.worker.ceilings import measure

# A convolution's error against float64, relative: from, to.
EXPECTED_ERRORS = {"fp32": (0.0, 2e-6), "tf32": (5e-5, 1e-3), "amp": (5e-5, 2e-3), "bf16": (5e-4, 1e-2)}

_SMI = "driver_version,clocks.sm,clocks.max.sm,power.limit,mig.mode.current,persistence_mode,ecc.mode.current"


def facts(check: Check) -> None:
    """Versions of all that takes part."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "torch": torch.__version__, "cpus": os.cpu_count()}
    try:
        import nvidia.dali

        found["dali"] = nvidia.dali.__version__
    except Exception as error:  # a machine may be without it, and a thinned library may not load
        found["dali"] = f"absent ({type(error).__name__}: {error})"
    if check.cuda:
        query = ["nvidia-smi", f"--query-gpu={_SMI}", "--format=csv,noheader"]
        found |= {
            "gpu": torch.cuda.get_device_name(0),
            "capability": check.device.capability(),
            "cuda_cudnn_nccl": cuda_versions(),
            "cublas": cublas_version(),
            "smi": subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip(),
        }
    check.facts |= found
    for name, value in found.items():
        check.say(f"  {name}: {value}")


def ceilings(check: Check) -> None:
    """The fastest matrix product of each precision, the fastest copy, and the host's cost of an operation."""
    found = measure(check.device)
    check.facts["ceilings"] = asdict(found)
    rates = {f"{name}_tflop_per_second": 1e-12 * rate for name, rate in found.matmul_flop_per_second.items()}
    host = found.host_seconds_per_operation
    check.row(
        "ceilings",
        **rates,
        copy_terabytes_per_second=1e-12 * found.copy_bytes_per_second,
        host_microseconds_per_operation=None if host is None else 1e6 * host,
    )


def precisions(check: Check) -> None:
    """Whether fp32 is IEEE arithmetic and tf32 is not: by the error of a convolution against float64."""
    torch.manual_seed(1)
    conv = nn.Conv2d(256, 256, 3, padding=1, bias=False)
    images = torch.randn(2, 256, 19, 19)
    exact = F.conv2d(images.double(), conv.weight.detach().double(), padding=1)
    conv.to(check.device.torch_device)
    for precision, (low, high) in EXPECTED_ERRORS.items() if check.cuda else [("fp32", EXPECTED_ERRORS["fp32"])]:
        policy = PrecisionPolicy(precision, check.device)
        with torch.no_grad(), policy.autocast():
            found = conv(images.to(check.device.torch_device)).double().cpu()
        error = float((found - exact).norm() / exact.norm())
        check.row(f"error of a convolution in {precision}", relative=error, as_expected=low <= error <= high)
        if not low <= error <= high:
            check.fault(f"{precision}: the error of a convolution is {error:.1e}, not {low:.0e} to {high:.0e}")


def nvml(check: Check) -> None:
    """What NVML answers, what asking costs, and whether our own process is known by its number."""
    import pynvml

    from ssdbench.harness.machine import probe
    from ssdbench.harness.machine.gpu_monitor import GpuMonitor

    (state, *_) = states = probe.gpu_states()
    check.facts["gpu_states"] = [asdict(each) for each in states]
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByUUID(state.uuid)
    work = torch.randn(4096, 4096, device=check.device.torch_device, dtype=torch.bfloat16)
    for _ in range(50):
        work @ work
    check.facts["nvml"] = {name: _asked(name, handle, *rest) for name, *rest in _questions(pynvml)}
    for name, answer in check.facts["nvml"].items():
        check.say(f"  {name}: {answer}")
    pids = [process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    pynvml.nvmlShutdown()

    cpu, seconds = time.process_time(), 2.0
    with GpuMonitor(states[:1]) as monitor:
        monitor.on_event({"event": "phase", "phase": "measure", "seconds": time.monotonic()})
        time.sleep(seconds)
    cores = (time.process_time() - cpu) / seconds
    (samples,) = monitor.samples(seconds)
    check.row("NVML monitor", looks=len(samples.seconds), cores_a_gpu=cores, own_pid_listed=os.getpid() in pids)
    if len(samples.seconds) < 3:
        check.fault(f"the monitor looked {len(samples.seconds)} times in {seconds} s")


def _questions(pynvml: Any) -> list[tuple[Any, ...]]:
    return [
        ("nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_SM),
        ("nvmlDeviceGetApplicationsClock", pynvml.NVML_CLOCK_SM),
        ("nvmlDeviceGetPowerUsage",),
        ("nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU),
        ("nvmlDeviceGetMemoryInfo",),
        ("nvmlDeviceGetCurrentClocksEventReasons",),
        ("nvmlDeviceGetCurrentClocksThrottleReasons",),
        ("nvmlDeviceGetTotalEnergyConsumption",),
        ("nvmlDeviceGetComputeRunningProcesses",),
        ("nvmlDeviceGetMigMode",),
    ]


def _asked(name: str, handle: Any, *rest: Any) -> str:
    import pynvml

    times, answer = [], ""
    for _ in range(10):
        at = time.perf_counter()
        try:
            answer = str(getattr(pynvml, name)(handle, *rest))
        except (AttributeError, pynvml.NVMLError) as error:
            answer = f"{type(error).__name__}: {error}"
        times.append(time.perf_counter() - at)
    return f"{answer[:120]} ({1e3 * statistics.median(times):.2f} ms)"


STAGES = (
    Stage(name="facts", run=facts, seconds=1, settles="which versions the figures belong to"),
    Stage(name="ceilings", run=ceilings, seconds=4, settles="what a roofline of this card may count on"),
    Stage(name="precisions", run=precisions, seconds=4, settles="whether each precision is what its name says"),
    Stage(
        name="nvml",
        run=nvml,
        seconds=5,
        settles="what NVML reports here, what a query costs, whether our process is told apart from others",
        on_cpu=False,
    ),
)
