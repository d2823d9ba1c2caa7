"""The interpreter that measures: ours by default, or another environment's (its torch is the thing under test)."""

import sys
from dataclasses import dataclass, field

from ssdbench.harness.process import run_module


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
