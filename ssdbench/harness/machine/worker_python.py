"""The interpreter that measures: this one by default, or another environment's, whose torch is under test."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.process import ask_module
from ssdbench.schema.case import WORKLOADS, Case
from ssdbench.schema.environment import Hardware
from ssdbench.schema.software_needs import OLDEST_PYTHON, OLDEST_TORCH, unmet_need, version_numbers

# From a network file system that many nodes read at once.
_ANSWER_SECONDS, _IMPORT_SECONDS = 120.0, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPython:
    """An interpreter and its packages (versions by name; "dali" for each of DALI's wheels).

    `gpu_code` lists what its torch was compiled for ("sm_80", "compute_90"); None if that was not asked or is unknown.
    """

    executable: str
    version: str
    packages: dict[str, str] = field(default_factory=dict)
    has_cpp_compiler: bool = False
    gpu_code: tuple[str, ...] | None = None


def inspect_python(executable: str | None = None, *, with_gpu_code: bool = False) -> WorkerPython:
    """Find out what an interpreter has installed; takes a tenth of a second and does not import torch.

    `with_gpu_code` also asks its torch for which GPUs it was compiled, which takes seconds.

    Raises:
        EnvironmentLacksError: there is no such interpreter, or it cannot run ssdbench's worker.
    """
    executable = _absolute(executable or sys.executable)
    question = ["ssdbench.runtime.inventory", *(["--gpu-code"] if with_gpu_code else [])]
    facts = ask_module(executable, question, _IMPORT_SECONDS if with_gpu_code else _ANSWER_SECONDS)
    version, packages = facts.get("python"), facts.get("packages")
    if not isinstance(version, str) or not isinstance(packages, dict):
        raise EnvironmentLacksError(
            f"{executable} did not answer with its version and packages: name a Python interpreter"
        )
    return WorkerPython(
        executable=executable,
        version=version,
        packages={str(name): str(found) for name, found in packages.items()},
        has_cpp_compiler=facts.get("cpp_compiler") is not None,
        gpu_code=tuple(map(str, code)) if isinstance(code := facts.get("gpu_code"), list) else None,
    )


def _absolute(executable: str) -> str:
    """The interpreter's path, which a worker needs as it runs in another folder; a plain name is found on the PATH."""
    # Not resolved: a link of a virtual environment tells the interpreter where that is.
    return str(Path(executable).absolute()) if os.sep in executable else executable


def missing_software(case: Case, worker: WorkerPython) -> str | None:
    """What the case needs and this interpreter lacks: a sentence, or None."""
    if reason := too_old(worker.version, worker.packages):
        return f"{worker.executable} has {reason}"
    if "torch" not in worker.packages:
        return f"torch is not installed for {worker.executable} (extra worker)"
    traits = WORKLOADS.get(case.workload)  # none of an evaluation, which uses a model
    if (traits is None or traits.uses_model) and "torchvision" not in worker.packages:
        return f"torchvision is not installed for {worker.executable} (extra worker)"
    if case.workload == "accuracy" and "pycocotools" not in worker.packages:
        return f"pycocotools is not installed for {worker.executable} (extra worker)"
    if case.pipeline == "dali" and "dali" not in worker.packages:
        return f"DALI is not installed for {worker.executable} (extras dali-cuda110, dali-cuda120, dali-cuda130)"
    if case.compile and case.device == "cpu" and not worker.has_cpp_compiler:
        return "torch.compile on a CPU needs a C++ compiler (g++)"
    return unmet_need(case, worker.packages, worker.executable)


def too_old(version: str, packages: Mapping[str, str]) -> str | None:
    """Which of an interpreter's Python and torch is too old for any measurement, as "Python 3.6.9, ..."; or None."""
    for name, found, oldest in (("Python", version, OLDEST_PYTHON), ("torch", packages.get("torch"), OLDEST_TORCH)):
        if found and version_numbers(found) < oldest:
            return f"{name} {found}, ssdbench needs {'.'.join(map(str, oldest))} or newer"
    return None


def missing_gpu_code(case: Case, hardware: Hardware, worker: WorkerPython) -> str | None:
    """Why the interpreter's torch cannot use this GPU: a sentence, or None if it can or that is unknown."""
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
    """Whether compiled code runs on a GPU (CUDA programming guide, "binary compatibility" and "PTX compatibility").

    sm_XY runs on GPUs of the same major capability and the same or a higher minor one, sm_XYa only on exactly X.Y. The
    driver compiles compute_XY for X.Y and anything newer.
    """
    parts = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", code)
    if parts is None:
        return True  # an unknown form: the launch will show it
    kind, major, minor, only = parts[1], int(parts[2]), int(parts[3]), parts[4]
    if only == "a":
        return (major, minor) == capability
    is_same_family = major == capability[0]
    return (major, minor) <= capability and (is_same_family or (kind == "compute" and not only))


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability as people write it: 9.0."""
    return ".".join(map(str, capability))
