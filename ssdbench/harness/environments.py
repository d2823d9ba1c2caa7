"""Virtual environments in the cache, made from the versions that a record has."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.cache import cache_error, cache_folder
from ssdbench.harness.process import last_line, run_command
from ssdbench.harness.trust import is_private
from ssdbench.schema.environment import Software
from ssdbench.schema.names import quoted
from ssdbench.schema.software_needs import version_numbers

_SECONDS = 2 * 3600.0
_WHOLE = "installed"
"""A file that is written last."""
_PACKAGES = ("torch", "torchvision", "numpy", "pycocotools")
_OLDEST_CUDA_OF_DALI, _NEWEST_CUDA_OF_DALI = 11, 13


def what_it_takes(software: Software) -> str:
    """How long and how large an environment is, in words."""
    return f"installs torch {_public(software.torch)} and what it needs into {_folder(software)}: minutes, several GB"


def find_environment(software: Software) -> str | None:
    """The interpreter of the environment with these versions, if it was made before."""
    python = _folder(software) / "bin" / "python"
    is_whole = (_folder(software) / _WHOLE).exists() and python.exists()
    return str(python) if is_whole and is_private(_folder(software).parent) else None


def make_environment(software: Software) -> str:
    """Install these versions from the package index that pip or uv is configured for; returns the interpreter.

    `uv` is used if it is installed: it finds other Pythons, and is quicker.

    Raises:
        EnvironmentLacksError: they cannot be installed, or not for this Python.
    """
    folder = _folder(software)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted installation has left
        _install(software, folder)
        (folder / _WHOLE).touch()
    except OSError as error:
        raise cache_error(error) from None
    return str(folder / "bin" / "python")


def _install(software: Software, folder: Path) -> None:
    uv, wanted = shutil.which("uv"), ".".join(map(str, version_numbers(software.python)))
    python = folder / "bin" / "python"
    if uv is not None:
        create = [uv, "venv", "--python", wanted, str(folder)]
        install = [uv, "pip", "install", "--python", str(python)]
    elif version_numbers(software.python) == sys.version_info[:2]:
        create, install = [sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install"]
    else:
        raise EnvironmentLacksError(f"the baseline was measured with Python {wanted}: install `uv`, which finds it")
    for command in (create, [*install, *_requirements(software)]):
        done = run_command(command, dict(os.environ), _SECONDS)
        if done.exit_code:
            raise EnvironmentLacksError(
                f"{command[0]} could not install the baseline's versions: {last_line(done.error)}"
            )


def _requirements(software: Software) -> list[str]:
    found = [f"{name}=={_public(version)}" for name in _PACKAGES if (version := getattr(software, name)) is not None]
    if software.dali is not None:
        numbers = version_numbers(software.cuda or "12")
        cuda = min(max(numbers[0] if numbers else 12, _OLDEST_CUDA_OF_DALI), _NEWEST_CUDA_OF_DALI)
        found.append(f"nvidia-dali-cuda{cuda}0=={_public(software.dali)}")
    return [*found, "pillow"]


def _folder(software: Software) -> Path:
    numbers = ".".join(map(str, version_numbers(software.python)))
    digest = hashlib.sha256("\n".join([numbers, *_requirements(software)]).encode()).hexdigest()[:16]
    return cache_folder() / "environments" / digest


def _public(version: str) -> str:
    """The version without its local part: "2.11.0" of "2.11.0+cu130", which package indexes do not have.

    Raises:
        EnvironmentLacksError: it is none; a record may come from anybody, and this becomes a requirement.
    """
    public = version.partition("+")[0]
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.!_-]*", public):
        raise EnvironmentLacksError(
            f"the baseline's record has the version {quoted(version)}, which cannot be installed"
        )
    return public
