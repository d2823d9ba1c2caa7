"""Prove a bundle: run the host side in an environment that has some packages and no others."""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).parents[2]

# Every package that the host side imports, also within functions. Databases are an extra; pytest imports its plug-in.
_PROOF = """
import ast, importlib, pathlib, sys
import ssdbench
package = pathlib.Path(ssdbench.__file__).parent
host = ("cli", "harness", "analysis", "report", "schema", "workflows")
unneeded = {"ssdbench", "sqlalchemy", "alembic", "psycopg", "tomli", "apprise", "docker", *sys.stdlib_module_names}
files = [file for place in host for file in (package / place).rglob("*.py") if "sql" not in file.parts]
wanted = set()
for node in (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))):
    if isinstance(node, ast.Import):
        wanted.update(alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        wanted.add(node.module)
ours = [".".join(file.relative_to(package.parent).with_suffix("").parts) for file in files]
foreign = sorted(name for name in wanted if name.split(".")[0] not in unneeded)
for name in [*ours, *foreign]:
    importlib.import_module(name)
print(f"{len(ours)} modules of the host side imported, and {', '.join(foreign)}")
"""


def prove(packages: frozenset[str]) -> str:
    """Import the host side and run `ssdbench --help` with these packages and what those on the machine need.

    The packages are those of this interpreter, seen through a folder of links that holds no others.

    Raises:
        RuntimeError: something is missing; with the last line of what was said.
    """
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary)
        for name in _with_needs(packages):
            _link(name, site)
        said = _run(["-c", _PROOF], site)
        help_text = _run(["-m", "ssdbench", "--help"], site)
    if "roofline" not in help_text and "compare" not in help_text:
        raise RuntimeError(f"ssdbench --help said: {help_text[:300]}")
    return f"{said}ssdbench --help runs"


def _with_needs(packages: frozenset[str]) -> set[str]:
    """These packages, and for the machine's own also what they need in turn.

    What a bundled package needs must be in the bundle or on the machine: it is not added, so that the proof fails.
    """
    from benchmarks.gpu.bundle import ON_THE_MACHINE

    found, ahead = set(packages - ON_THE_MACHINE), [name for name in packages if name in ON_THE_MACHINE]
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        try:
            required = distribution(name).requires or ()
        except PackageNotFoundError:
            continue  # of the machine and not of this environment
        found.add(name)
        if name in ("torch", "torchvision", "triton"):
            continue  # gigabytes that the host side never imports
        for requirement in map(Requirement, required):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                ahead.append(canonicalize_name(requirement.name))
    return found


def _link(name: str, site: Path) -> None:
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return
    for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(package.locate_file(top))).resolve())


def _run(arguments: list[str], site: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(TREE), str(site)]), "PYTHONDONTWRITEBYTECODE": "1"}
    # -S: no site-packages of this interpreter.
    done = subprocess.run(
        [sys.executable, "-S", *arguments], capture_output=True, text=True, env=environment, cwd=site, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"with the bundle and what the machine has: {lines[-1]}")
    return done.stdout
