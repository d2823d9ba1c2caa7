"""The device side runs on Python 3.8: vermin reads it for that, ruff does in `make lint`, and a Python 3.8 imports it.

Each check is also shown a file with something newer: a check that finds nothing proves little.
"""

import ast
import builtins
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.harness.toml_tables import read_toml
from ssdbench.schema.software_needs import OLDEST_PYTHON

ROOT = Path(__file__).parents[1]
OLDEST = ".".join(map(str, OLDEST_PYTHON))
FOLDERS = ("schema", "runtime", "ssd", "workloads", "worker")
FILES = ("__init__", "atomic", "compatibility", "cpu_quota", "errors")

# Imports each module; those that need a package that this Python lacks are not the question here.
IMPORT_ALL = """
import importlib, json, sys
wrong, imported = {}, []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        imported.append(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] == "ssdbench":
            wrong[name] = repr(error)
    except Exception as error:
        if type(error).__name__ != "EnvironmentLacksError":
            wrong[name] = repr(error)
print(json.dumps([wrong, imported]))
"""

# Their classes take no types before Python 3.9.
NOT_SUBSCRIPTABLE = {"collections", "collections.abc", "contextlib", "re", "queue", "os", "subprocess"}

NEWER = {
    "a match statement": "def f(x):\n    match x:\n        case 1:\n            return 2\n",
    "slots of a dataclass": "from dataclasses import dataclass\n\n\n@dataclass(slots=True)\nclass A:\n    x: int\n",
    "a strict zip": "def f(a, b):\n    return list(zip(a, b, strict=True))\n",
    "a union in an alias": "Number = int | float\n",
    "a builtin generic in an alias": "Numbers = list[int]\n",
    "a function of 3.9": "import os\n\n\ndef f(status):\n    return os.waitstatus_to_exitcode(status)\n",
    "a method of 3.9": 'def f(name: str):\n    return "x".removesuffix("y")\n',
    "with in parentheses": "def f(a, b):\n    with (open(a) as x, open(b) as y):\n        return x, y\n",
}


def device_side(package: Path) -> list[Path]:
    """The files of a package that run in the measured environment."""
    files = [path for folder in FOLDERS for path in sorted((package / folder).rglob("*.py"))]
    return [*files, *(package / f"{name}.py" for name in FILES)]


def complaints(files: list[Path]) -> str:
    """What is newer than the oldest Python in these files."""
    command = [sys.executable, "-c", "from vermin.main import main; main()", "--quiet", "--violations", "--no-tips"]
    done = subprocess.run(
        [*command, f"--target={OLDEST}-", *map(str, files)], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr if done.returncode else ""
    return said + "".join(f"{path}: {found}\n" for path in files for found in evaluated_types(path))


def evaluated_types(path: Path) -> list[str]:
    """Types such as `list[int]` and `int | None` that are evaluated, as an alias is; vermin finds none of them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    newer = {*dir(builtins), *(name.asname or name.name for name in _imported_from(tree, NOT_SUBSCRIPTABLE))}
    found = []
    for node in _evaluated(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in newer:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = {ast.unparse(side) for side in (node.left, node.right)}
            found += [ast.unparse(node)] if sides & {"None", "int", "float", "str", "bool", "bytes"} else []
    return found


def _imported_from(tree: ast.AST, modules: set[str]) -> list[ast.alias]:
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in modules]
    return [name for node in froms for name in node.names]


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a file with `from __future__ import annotations`, without annotations and what mypy alone reads."""
    yield node
    for field, value in ast.iter_fields(node):
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and field == "body"
        if field in ("annotation", "returns") or is_typing:
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, ast.AST):
                yield from _evaluated(inner)


def imported(python: str, package: Path) -> tuple[dict[str, str], list[str]]:
    """What went wrong by module as this Python imports the device side of a package, and the modules that it has."""
    names = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in device_side(package)
        if path.stem != "__main__"
    ]
    done = subprocess.run(
        [python, "-c", IMPORT_ALL, *names],
        env={"PYTHONDONTWRITEBYTECODE": "1"}, cwd=package.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong, found = json.loads(done.stdout)
    return wrong, found


@pytest.fixture(scope="module")
def python() -> str:
    """A Python of the oldest version, on the PATH or one of pyenv's."""
    places = [*map(str, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{OLDEST}.*/bin"))]
    found = shutil.which(f"python{OLDEST}", path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"there is no Python {OLDEST} here: the device side is read for it, not imported by it")
    return found


def test_the_list_of_these_tests_is_that_of_the_linter() -> None:
    patterns = read_toml(ROOT / "pyproject.toml")["tool"]["ruff"]["per-file-target-version"]
    assert list(patterns) == [f"ssdbench/{{{','.join(FOLDERS)}}}/**", f"ssdbench/{{{','.join(FILES)}}}.py"]


def test_nothing_of_the_device_side_is_newer_than_the_oldest_python() -> None:
    assert complaints(device_side(ROOT / "ssdbench")) == ""


def test_every_module_of_the_device_side_is_imported_by_the_oldest_python(python: str) -> None:
    wrong, found = imported(python, ROOT / "ssdbench")
    assert wrong == {}
    assert {"ssdbench.schema.record", "ssdbench.runtime.supervision", "ssdbench.worker.launch"} <= set(found)


@pytest.mark.parametrize("what", NEWER)
def test_what_is_newer_is_found(tmp_path: Path, what: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f'"""A module."""\n\nfrom __future__ import annotations\n\n{NEWER[what]}', encoding="utf-8")
    assert "planted.py" in complaints([planted])


@pytest.mark.parametrize("what", ["a match statement", "slots of a dataclass", "a union in an alias"])
def test_what_is_newer_is_not_imported(tmp_path: Path, python: str, what: str) -> None:
    package = tmp_path / "ssdbench"
    shutil.copytree(ROOT / "ssdbench", package, ignore=shutil.ignore_patterns("__pycache__", "resources"))
    planted = package / "schema" / "times.py"
    planted.write_text(planted.read_text(encoding="utf-8") + NEWER[what], encoding="utf-8")
    wrong, _ = imported(python, package)
    assert "ssdbench.schema.times" in wrong


# What a dataclass of the device side promises, which Python 3.8 has to keep as newer ones do.
DATACLASSES = """
from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, field, fields, replace

from ssdbench.compatibility import dataclass, without_suffix, zip_equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    first: int = 1
    without_default: str
    made: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Base):
    last: float

    def __post_init__(self) -> None:
        if self.last < 0:
            raise ValueError("negative")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unlike:
    value: int = 0


def fails(error, work):
    try:
        work()
    except error:
        return True
    return False


one = Derived(without_default="a", last=2.0)
assert asdict(one) == {"first": 1, "without_default": "a", "made": [], "last": 2.0}
assert one == Derived(without_default="a", last=2.0) != replace(one, first=2)
assert one.made is not Derived(without_default="a", last=2.0).made
assert repr(one) == "Derived(first=1, without_default='a', made=[], last=2.0)"
assert [f.name for f in fields(Derived)] == ["first", "without_default", "made", "last"]
assert Unlike() != Unlike() and hash(Unlike()) is not None
assert fails(TypeError, lambda: Derived(last=1.0)), "missing"
assert fails(TypeError, lambda: Derived(without_default="a", last=1.0, other=1)), "unknown"
assert fails(TypeError, lambda: Derived("a", 1.0)), "by position"
assert fails(ValueError, lambda: Derived(without_default="a", last=-1.0)), "__post_init__"
assert fails(FrozenInstanceError, lambda: setattr(one, "first", 3)), "frozen"
assert list(zip_equal([1, 2], "ab")) == [(1, "a"), (2, "b")] and list(zip_equal()) == []
assert all(fails(ValueError, lambda a=a, b=b: list(zip_equal(a, b))) for a, b in (([1], []), ([], [1])))
assert without_suffix("a_b", "_b") == "a" and without_suffix("a_b", "") == "a_b" == without_suffix("a_b", "c")
"""


def test_dataclasses_keep_their_promises_on_this_python() -> None:
    keep_promises(sys.executable)


def test_dataclasses_keep_their_promises_on_the_oldest_python(python: str) -> None:
    keep_promises(python)


def keep_promises(python: str) -> None:
    done = subprocess.run(
        [python, "-c", DATACLASSES], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
