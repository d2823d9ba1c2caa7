"""The interpreter that measures: ours by default, or another environment's (its torch is the thing under test)."""

import re
import sys
from dataclasses import dataclass, field

from ssdbench.harness.process import run_module
from ssdbench.schema.case import WORKLOADS, Case
from ssdbench.schema.environment import Hardware

OLDEST_DALI = (1, 26)
"""Required by `ssd.pipelines.dali_graph`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPython:
    """An interpreter and what it has installed (versions by name; "dali" whatever its wheel is called).

    `gpu_code` names what its torch was compiled for ("sm_80", "compute_90"), None where that was not asked or torch
    does not tell.
    """

    executable: str
    version: str
    packages: dict[str, str] = field(default_factory=dict)
    has_cpp_compiler: bool = False
    gpu_code: tuple[str, ...] | None = None


def inspect_python(executable: str | None = None, *, with_gpu_code: bool = False) -> WorkerPython:
    """Ask an interpreter what it has; takes a tenth of a second and imports no torch.

    `with_gpu_code` asks its torch as well for which GPUs it has code, which takes seconds: wanted where there is one.

    Raises:
        EnvironmentLacksError: there is no such interpreter, or it cannot run ssdbench's worker.
    """
    executable = executable or sys.executable
    facts = run_module(executable, ["ssdbench.runtime.inventory", *(["--gpu-code"] if with_gpu_code else [])])
    packages = facts["packages"]
    assert isinstance(packages, dict)
    return WorkerPython(
        executable=executable,
        version=str(facts["python"]),
        packages=packages,
        has_cpp_compiler=facts["cpp_compiler"] is not None,
        gpu_code=tuple(map(str, code)) if isinstance(code := facts["gpu_code"], list) else None,
    )


def missing_software(case: Case, worker: WorkerPython) -> str | None:
    """What the case needs that this interpreter does not have: a sentence, or None."""
    if "torch" not in worker.packages:
        return f"torch is not installed for {worker.executable} (extra worker)"
    if WORKLOADS[case.workload].uses_model and "torchvision" not in worker.packages:
        return f"torchvision is not installed for {worker.executable} (extra worker)"
    if case.pipeline == "dali" and "dali" not in worker.packages:
        return f"DALI is not installed for {worker.executable} (extras dali-cuda110, dali-cuda120, dali-cuda130)"
    if case.pipeline == "dali" and version_numbers(worker.packages["dali"]) < OLDEST_DALI:
        return f"DALI {worker.packages['dali']} is too old for the dali pipeline, ssdbench needs 1.26 or newer"
    if case.compile and case.device == "cpu" and not worker.has_cpp_compiler:
        return "torch.compile on a CPU needs a C++ compiler (g++)"
    return None


def missing_gpu_code(case: Case, hardware: Hardware, worker: WorkerPython) -> str | None:
    """Why the interpreter's torch cannot compute on this GPU: a sentence, None where it can or that is not known."""
    code, capability = worker.gpu_code, hardware.compute_capability
    if case.device != "cuda" or code is None or capability is None:
        return None
    torch = f"torch {worker.packages.get('torch', '')} of {worker.executable}"
    if not code:
        return f"{torch} was built without CUDA"
    if any(_runs_on(name, capability) for name in code):
        return None
    return (
        f"{torch} has no code for {hardware.gpu_model} of compute capability {dotted(capability)}, only for "
        f"{', '.join(code)}"
    )


def _runs_on(code: str, capability: tuple[int, int]) -> bool:
    """Whether code compiled for one GPU runs on another (CUDA's guide, "binary compatibility", "PTX compatibility").

    sm_XY runs on GPUs of the same major capability that are as new or newer, sm_XYa on that very one, compute_XY is
    compiled by the driver for anything as new or newer.
    """
    parts = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", code)
    if parts is None:
        return True  # a form that is not known yet: the launch will tell
    kind, major, minor, only = parts[1], int(parts[2]), int(parts[3]), parts[4]
    if only == "a":
        return (major, minor) == capability
    is_same_family = major == capability[0]
    return (major, minor) <= capability and (is_same_family or (kind == "compute" and not only))


def version_numbers(text: str) -> tuple[int, ...]:
    """Major and minor version: (2, 1) of "2.1.0a0+git"."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability as people write it: 9.0."""
    return ".".join(map(str, capability))
