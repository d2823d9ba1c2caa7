"""Virtual environments in the cache with what a file of pip requirements lists: the points of a bisection."""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.cache import cache_error, cache_folder
from ssdbench.harness.process import last_line, run_command
from ssdbench.harness.trust import is_private

_SECONDS = 2 * 3600.0
_WHOLE = "installed"
"""A file that is written last."""
# The folders of packages that this interpreter imports from, and its version.
_ASK = "import json, sys; print(json.dumps([sys.version_info[:2], [p for p in sys.path if p.endswith('-packages')]]))"


class CannotInstallError(EnvironmentLacksError):
    """A list cannot be installed; another one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementList:
    """A file of requirements, as it was when it was read; `name` identifies file and content."""

    path: Path
    name: str
    digest: str


def read_list(path: Path) -> RequirementList:
    """Read a file of requirements; raises UsageError if that cannot be done."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): give files of requirements, oldest first"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    return RequirementList(path=path, name=f"{path.name} sha256:{digest[:12]}", digest=digest)


def environment_with(requirements: RequirementList, python: str | None, *, sees_packages: bool) -> str:
    """The interpreter of an environment with these requirements; installed by pip or uv if it was not made before.

    `python` is the interpreter that it is made with. With `sees_packages` it imports that one's packages as well,
    where the list does not install others.

    Raises:
        CannotInstallError: the requirements cannot be installed.
        EnvironmentLacksError: the interpreter cannot run, or the cache cannot be written.
    """
    base = python or sys.executable
    version, packages = _facts(base)
    parts = [
        base,
        str(version),
        *(packages if sees_packages else ()),
        str(requirements.path.resolve()),
        requirements.digest,
    ]
    folder = cache_folder() / "environments" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    own = folder / "bin" / "python"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if is_private(folder.parent) and (folder / _WHOLE).exists() and own.exists():
            return str(own)
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted installation has left
        _create(folder, base, version, packages if sees_packages else [])
        _install(own, requirements.path)
        (folder / _WHOLE).touch()
    except OSError as error:
        raise cache_error(error) from None
    return str(own)


def _facts(python: str) -> tuple[tuple[int, int], list[str]]:
    done = run_command([python, "-c", _ASK])
    try:
        (major, minor), packages = json.loads(done.out)
    except (ValueError, TypeError):
        raise EnvironmentLacksError(f"{python} does not run as a Python: {last_line(done.error)}") from None
    return (major, minor), packages


def _create(folder: Path, python: str, version: tuple[int, int], packages: list[str]) -> None:
    uv = shutil.which("uv")
    create = [uv, "venv", "--python", python] if uv is not None else [python, "-m", "venv"]
    done = run_command([*create, str(folder)], dict(os.environ), _SECONDS)
    if done.exit_code:
        raise EnvironmentLacksError(f"{python} cannot make an environment: {last_line(done.error)}")
    if packages:
        # The environment's own packages come first on the path.
        site = folder / "lib" / f"python{version[0]}.{version[1]}" / "site-packages"
        (site / "of_the_interpreter.pth").write_text("".join(f"{place}\n" for place in packages), encoding="utf-8")


def _install(python: Path, requirements: Path) -> None:
    uv = shutil.which("uv")
    words = [uv, "pip", "install", "--python", str(python)] if uv is not None else [str(python), "-m", "pip", "install"]
    done = run_command([*words, "-r", str(requirements)], dict(os.environ), _SECONDS)
    if done.exit_code:
        raise CannotInstallError(f"{requirements.name} cannot be installed: {_error_line(done.error)}")


def _error_line(text: str) -> str:
    """The last line that pip calls an error; hints about pip itself follow it."""
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else last_line(text)
