"""Which layer may import which, which packages it may use, and the one place that uses each package."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ssdbench.cli.verbs import VERBS
from ssdbench.schema.case import PIPELINES, WORKLOADS

PACKAGE = Path(__file__).parents[1] / "ssdbench"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each layer and the layers it may import besides itself: the host side, then the device side.
LAYERS = {
    "errors": set(),
    "resources": set(),
    "atomic": set(),
    "compatibility": set(),
    "cpu_quota": set(),
    "schema": {"errors", "compatibility"},
    "harness": {"errors", "atomic", "cpu_quota", "schema"},
    "analysis": {"errors", "schema"},
    "report": {"errors", "schema"},
    "workflows": {"errors", "atomic", "schema", "harness", "analysis", "report"},
    "cli": {"errors", "atomic", "schema", "harness", "analysis", "report", "workflows"},
    "api": {"errors", "schema", "harness", "analysis", "workflows"},
    "pytest_plugin": {"errors", "schema", "report", "workflows"},
    "runtime": {"errors", "compatibility", "schema"},
    "ssd": {"errors", "atomic", "compatibility"},
    "workloads": {"errors", "atomic", "compatibility", "schema", "runtime", "ssd"},
    "worker": {"errors", "atomic", "compatibility", "cpu_quota", "schema", "runtime", "workloads"},
}
STANDARD_LIBRARY = set(sys.stdlib_module_names)
# What an NVIDIA PyTorch container has; PIL comes with its torchvision.
CONTAINER = {"torch", "torchvision", "nvidia", "pycocotools", "numpy", "pynvml", "PIL"}
HOST = {
    *("psutil", "pydantic", "pynvml", "rich", "tomli", "typer", "numpy", "scipy", "ruptures"),
    *("jinja2", "markupsafe", "matplotlib", "PIL", "sqlalchemy", "alembic", "pandas", "pyarrow", "apprise", "docker"),
}
ALLOWED = {
    "errors": set(),
    "resources": set(),
    "atomic": set(),
    "compatibility": set(),
    "cpu_quota": set(),
    "schema": set(),
    **dict.fromkeys(("harness", "analysis", "report", "cli"), HOST),
    "workflows": set(),
    "api": {"pandas"},
    "pytest_plugin": {"pytest"},
    **dict.fromkeys(("runtime", "ssd", "workloads", "worker"), CONTAINER),
    "ssd": CONTAINER | {"faster_coco_eval"},  # an extra, imported when it is asked for
}
PLACES = {
    "pynvml": {"harness/machine/nvml.py"},
    "subprocess": {"harness/process.py", "runtime/supervision.py"},
    "tomllib": {"harness/toml_tables.py"},
    "tomli": {"harness/toml_tables.py"},
    "urllib.request": {"harness/containers/registry.py", "harness/alerts/pushgateway.py"},
    "nvidia.dali": {"ssd/pipelines/dali_graph.py"},
    "pycocotools": {"ssd/coco.py", "ssd/evaluate.py", "ssd/matches.py"},
    "faster_coco_eval": {"ssd/evaluate.py"},
    "torch.distributed": {"runtime/distributed.py", "worker/launch.py"},
    "pandas": {"analysis/frames", "api"},
    "pyarrow": set(),  # through pandas alone
    "scipy": {"analysis"},
    "ruptures": {"analysis/history/change_points.py"},
    "matplotlib": {"report/curves.py"},
    "pytest": {"pytest_plugin.py"},
    "jinja2": {"report/page.py"},
    "PIL": {"harness/pictures.py", "ssd", "worker", "workloads"},
    "markupsafe": {
        *("report/svg.py", "report/case_charts.py", "report/change_charts.py", "report/curves.py", "report/page.py"),
        *("report/seed_charts.py", "report/trend_charts.py", "report/drift_chart.py", "report/roofline_chart.py"),
    },
    "sqlite3": set(),  # through sqlalchemy alone
    "sqlalchemy": {"harness/stores/sql"},
    "alembic": {"harness/stores/sql"},
    "psycopg": set(),
    "apprise": {"harness/alerts/sending.py"},
    "docker": {"harness/containers/accounts.py"},
}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module a file imports, also inside functions; those for type checkers only are omitted."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
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


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_layer_imports_only_the_layers_below_it(path: Path) -> None:
    if layer(path) in ("__init__", "__main__"):
        return
    allowed = LAYERS[layer(path)] | {layer(path)}
    ours = {parts[1] for module in imports(path) if (parts := module.split("."))[0] == "ssdbench" and len(parts) > 1}
    assert ours - {"__version__"} <= allowed


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_layer_imports_only_the_packages_it_can_count_on(path: Path) -> None:
    if layer(path) in ("__init__", "__main__"):
        return
    foreign = {module.split(".")[0] for module in imports(path)} - STANDARD_LIBRARY - {"ssdbench"}
    assert foreign <= ALLOWED[layer(path)]


@pytest.mark.parametrize("dependency", PLACES)
def test_a_package_is_used_in_one_place(dependency: str) -> None:
    users = {name(path) for path in FILES if any(f"{m}.".startswith(f"{dependency}.") for m in imports(path))}
    places = PLACES[dependency]
    assert not [
        user for user in users if user not in places and not any(user.startswith(f"{place}/") for place in places)
    ]


def test_only_the_device_files_and_that_of_graphs_name_cuda() -> None:
    users = {name(path) for path in FILES if "torch.cuda" in _code(path)}
    # GradScaler of torch before 2.3 lives under torch.cuda and nowhere else.
    assert users <= {"runtime/cuda_libraries.py", "runtime/device.py", "runtime/graph.py", "runtime/precision.py"}


@cache
def _code(path: Path) -> str:
    """The file without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@pytest.mark.parametrize("folder", ["workloads", "ssd/pipelines"])
def test_no_plug_in_imports_another(folder: str) -> None:
    items = {"workloads": set(WORKLOADS), "ssd/pipelines": set(PIPELINES)}[folder]
    prefix = f"ssdbench.{folder.replace('/', '.')}."
    for path in (PACKAGE / folder).glob("*.py"):
        others = {module.removeprefix(prefix).split(".")[0] for module in imports(path) if module.startswith(prefix)}
        assert not others & items - {path.stem}, path


@pytest.mark.parametrize(
    ("folder", "function"),
    [("report/table_formats", "render"), ("report/ci", "render"), ("report/exporters", "render"),
     ("harness/readers/formats", "read")],
)  # fmt: skip
def test_every_format_has_its_function_and_imports_no_other_format(folder: str, function: str) -> None:
    package = f"ssdbench.{folder.replace('/', '.')}"
    for path in (PACKAGE / folder).glob("[!_]*.py"):
        assert callable(getattr(importlib.import_module(f"{package}.{path.stem}"), function)), path
        assert not [module for module in imports(path) if module.startswith(package)], path


def test_every_plug_in_that_a_case_can_name_is_in_its_folder() -> None:
    assert set(WORKLOADS) <= {path.stem for path in (PACKAGE / "workloads").glob("*.py")}
    assert set(PIPELINES) <= {path.stem for path in (PACKAGE / "ssd/pipelines").glob("*.py")}


def _loaded(code: str) -> set[str]:
    """The modules that are loaded after this code in a fresh interpreter."""
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
    parts = (
        "",
        ".errors",
        ".schema",
        ".schema.plain_text",
        ".cli",
        *(f".cli.{n}" for n in ("app", "help", "streams", "verbs")),
    )
    assert ours == {f"ssdbench{part}" for part in parts}
    assert not loaded & {"torch", "numpy", "pydantic", "psutil", "pynvml", "scipy", "jinja2", "matplotlib"}


def test_no_layer_is_part_of_an_import_cycle() -> None:
    seen: set[str] = set()
    while ready := {name for name in LAYERS if name not in seen and LAYERS[name] <= seen}:
        seen |= ready
    assert seen == set(LAYERS)


PRINTERS = {"cli/streams.py", "cli/printing.py"}


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in ("cli", "report")], ids=name)
def test_nothing_prints_past_the_functions_that_make_text_literal(path: Path) -> None:
    if name(path) in PRINTERS:
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    called = {ast.unparse(call.func).split(".")[-1] for call in calls}
    assert not called & {"Console", "echo", "secho", "from_markup", "render_str"}
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("print", "input")]
    code = _code(path)
    assert "sys.stdout" not in code
    assert "sys.stderr" not in code
    assert "rich.markup" not in code
    # These interpret markup unless they are told not to.
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in ("TextColumn", "SpinnerColumn"):
            assert any(word.arg == "markup" and ast.unparse(word.value) == "False" for word in call.keywords)


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) == "workflows"], ids=name)
def test_no_workflow_prints(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "input")]
    assert not [module for module in imports(path) if module.split(".")[0] in ("typer", "rich", "sys", "logging")]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_harness_and_runtime_read_environment_variables(path: Path) -> None:
    if "os.environ" in _code(path) or "os.getenv" in _code(path):
        assert layer(path) in {"harness", "runtime"}
