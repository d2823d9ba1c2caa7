"""The law of the house: which room may import which, and one door for each dependency."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.cli.verbs import VERBS
from ssdbench.schema.case import PIPELINES, WORKLOADS

PACKAGE = Path(__file__).parents[1] / "ssdbench"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room and the rooms it may import besides itself.
ROOMS = {
    "errors": set(),
    "resources": set(),
    "atomic": set(),
    "schema": {"errors"},
    "harness": {"errors", "atomic", "schema"},
    "analysis": {"errors", "schema"},
    "report": {"errors", "schema"},
    "workflows": {"errors", "atomic", "schema", "harness", "analysis", "report"},
    "cli": {"errors", "schema", "harness", "analysis", "report", "workflows"},
    "api": {"errors", "schema", "harness", "analysis", "workflows"},
    "pytest_plugin": {"errors", "schema", "report", "workflows"},
    "runtime": {"errors", "schema"},
    "ssd": {"errors", "atomic"},
    "workloads": {"errors", "atomic", "schema", "runtime", "ssd"},
    "worker": {"errors", "atomic", "schema", "runtime", "workloads"},
}
STANDARD_LIBRARY = set(sys.stdlib_module_names)
# What an NVIDIA PyTorch container has; PIL comes with its torchvision.
CONTAINER = {"torch", "torchvision", "nvidia", "pycocotools", "numpy", "pynvml", "PIL"}
HOST = {
    *("psutil", "pydantic", "pynvml", "rich", "tomli", "typer", "numpy", "scipy", "ruptures"),
    *("jinja2", "markupsafe", "matplotlib", "PIL", "sqlalchemy", "alembic", "filelock", "pandas", "pyarrow"),
}
ALLOWED = {
    "errors": set(),
    "resources": set(),
    "atomic": set(),
    "schema": set(),
    **dict.fromkeys(("harness", "analysis", "report", "cli"), HOST),
    "workflows": set(),
    "api": {"pandas"},
    "pytest_plugin": {"pytest"},
    **dict.fromkeys(("runtime", "ssd", "workloads", "worker"), CONTAINER),
    "ssd": CONTAINER | {"faster_coco_eval"},  # an extra, imported when it is asked for
}
DOORS = {
    "pynvml": {"harness/machine/nvml.py"},
    "subprocess": {"harness/process.py"},
    "tomllib": {"harness/toml_tables.py"},
    "tomli": {"harness/toml_tables.py"},
    "urllib.request": {"harness/containers/registry.py"},
    "nvidia.dali": {"ssd/pipelines/dali_graph.py"},
    "pycocotools": {"ssd/coco.py", "ssd/evaluate.py"},
    "faster_coco_eval": {"ssd/evaluate.py"},
    "torch.distributed": {"runtime/distributed.py", "worker/launch.py"},
    "pandas": {"analysis/frames", "analysis/tables", "api"},
    "pyarrow": {"analysis/frames/files.py"},
    "scipy": {"analysis"},
    "ruptures": {"analysis/history/change_points.py"},
    "matplotlib": {"report/curves.py"},
    "pytest": {"pytest_plugin.py"},
    "filelock": {"harness/stores/spool.py"},
    "jinja2": {"report/page.py"},
    "PIL": {"harness/pictures.py", "ssd", "worker", "workloads"},
    "markupsafe": {"report/svg.py", "report/case_charts.py", "report/change_charts.py", "report/curves.py"},
    "sqlite3": set(),  # through sqlalchemy alone
    "sqlalchemy": {"harness/stores/sql"},
    "alembic": {"harness/stores/sql"},
    "psycopg": set(),
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions; what only a type checker reads is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_room_imports_only_what_the_law_allows(path: Path) -> None:
    if room(path) in ("__init__", "__main__"):
        return
    allowed = ROOMS[room(path)] | {room(path)}
    ours = {parts[1] for module in imports(path) if (parts := module.split("."))[0] == "ssdbench" and len(parts) > 1}
    assert ours - {"__version__"} <= allowed


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_wing_imports_only_the_packages_it_may_count_on(path: Path) -> None:
    if room(path) in ("__init__", "__main__"):
        return
    foreign = {module.split(".")[0] for module in imports(path)} - STANDARD_LIBRARY - {"ssdbench"}
    assert foreign <= ALLOWED[room(path)]


@pytest.mark.parametrize("dependency", DOORS)
def test_a_dependency_has_one_door(dependency: str) -> None:
    users = {name(path) for path in FILES if any(f"{m}.".startswith(f"{dependency}.") for m in imports(path))}
    doors = DOORS[dependency]
    assert not [user for user in users if user not in doors and not any(user.startswith(f"{door}/") for door in doors)]


def test_only_the_device_file_and_that_of_graphs_name_cuda() -> None:
    users = {name(path) for path in FILES if "torch.cuda" in _code(path)}
    # GradScaler of torch before 2.3 lives under torch.cuda and nowhere else.
    assert users <= {"runtime/device.py", "runtime/graph.py", "runtime/precision.py"}


def _code(path: Path) -> str:
    """The file without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@pytest.mark.parametrize("shelf", ["workloads", "ssd/pipelines"])
def test_no_item_of_a_shelf_imports_another(shelf: str) -> None:
    items = {"workloads": set(WORKLOADS), "ssd/pipelines": set(PIPELINES)}[shelf]
    prefix = f"ssdbench.{shelf.replace('/', '.')}."
    for path in (PACKAGE / shelf).glob("*.py"):
        others = {module.removeprefix(prefix).split(".")[0] for module in imports(path) if module.startswith(prefix)}
        assert not others & items - {path.stem}, path


@pytest.mark.parametrize(
    ("shelf", "function"),
    [("report/table_formats", "render"), ("report/ci", "render"), ("report/exporters", "render"),
     ("harness/readers/formats", "read")],
)  # fmt: skip
def test_every_format_has_its_function_and_imports_no_other_format(shelf: str, function: str) -> None:
    package = f"ssdbench.{shelf.replace('/', '.')}"
    for path in (PACKAGE / shelf).glob("[!_]*.py"):
        assert callable(getattr(importlib.import_module(f"{package}.{path.stem}"), function)), path
        assert not [module for module in imports(path) if module.startswith(package)], path


def test_every_item_that_a_case_can_name_is_on_its_shelf() -> None:
    assert set(WORKLOADS) <= {path.stem for path in (PACKAGE / "workloads").glob("*.py")}
    assert set(PIPELINES) <= {path.stem for path in (PACKAGE / "ssd/pipelines").glob("*.py")}


def _loaded(code: str) -> set[str]:
    """The modules that are loaded behind this code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


def test_no_verb_loads_what_takes_long_until_it_needs_it() -> None:
    modules = ", ".join(sorted({f"ssdbench.cli.{verb.module}" for verb in VERBS.values()}))
    heavy = {"torch", "numpy", "scipy", "ruptures", "jinja2", "matplotlib", "PIL", "sqlalchemy"}
    assert not heavy & _loaded(f"import {modules}")


def test_help_loads_no_verb_and_nothing_that_verbs_need() -> None:
    loaded = _loaded("import sys; sys.argv = ['ssdbench', '--help']\nfrom ssdbench.cli import main\n"
                     "try: main()\nexcept SystemExit: pass")  # fmt: skip
    assert "typer" in loaded
    ours = {module for module in loaded if module.startswith("ssdbench")}
    assert ours == {"ssdbench", "ssdbench.cli", "ssdbench.cli.app", "ssdbench.cli.verbs", "ssdbench.errors"}
    assert not loaded & {"torch", "numpy", "pydantic", "psutil", "pynvml", "scipy", "jinja2", "matplotlib"}


def test_no_room_is_part_of_an_import_circle() -> None:
    seen: set[str] = set()
    while ready := {room for room in ROOMS if room not in seen and ROOMS[room] <= seen}:
        seen |= ready
    assert seen == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_harness_and_runtime_read_environment_variables(path: Path) -> None:
    if "os.environ" in _code(path) or "os.getenv" in _code(path):
        assert room(path) in {"harness", "runtime"}
