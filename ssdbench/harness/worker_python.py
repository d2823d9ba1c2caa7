"""The interpreter that measures: ours by default, or another environment's (its torch is the thing under test)."""

import sys
from dataclasses import dataclass, field

from ssdbench.harness.launchers.process import run_module


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPython:
    """An interpreter and what it has installed (versions by name; "dali" whatever its wheel is called)."""

    executable: str
    version: str
    packages: dict[str, str] = field(default_factory=dict)
    has_cpp_compiler: bool = False


def inspect_python(executable: str | None = None) -> WorkerPython:
    """Ask an interpreter what it has; takes a tenth of a second and imports no torch.

    Raises:
        EnvironmentLacksError: there is no such interpreter, or it cannot run ssdbench's worker.
    """
    executable = executable or sys.executable
    facts = run_module(executable, ["ssdbench.runtime.inventory"])
    packages = facts["packages"]
    assert isinstance(packages, dict)
    return WorkerPython(
        executable=executable,
        version=str(facts["python"]),
        packages=packages,
        has_cpp_compiler=facts["cpp_compiler"] is not None,
    )
