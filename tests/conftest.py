"""Skips what this machine cannot run, and says so; property tests on the same examples each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import slurm_cluster

if TYPE_CHECKING:
    from tests.databases import PostgresqlServer

# The workers of pytest-xdist fill the cores: more threads in each would mostly wait for one another. A launch sets its
# own number.
os.environ.setdefault("OMP_NUM_THREADS", "1")

try:
    from hypothesis import settings
except ImportError:  # on a bare GPU machine
    pass
else:
    # The same examples in every run, so that a change is what breaks a test; HYPOTHESIS_PROFILE=search seeks others.
    # No deadline: how long an example takes is the machine's business.
    settings.register_profile("same", derandomize=True, deadline=None)
    settings.register_profile("search", print_blob=True, deadline=None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Options and markers that plugins of pytest bring, where they are not installed.
_INI = {"timeout": "pytest-timeout"}
_MARKERS = ("timeout(seconds): of pytest-timeout", "xdist_group(name): of pytest-xdist")


_TESTS = Path(__file__).parent

# Whose processes measure their coverage: those of ranks and of made-up GPUs. Starting it takes longer than most
# commands that tests start.
_COVERED_PROCESSES = (
    *("worker/", "workloads/", "runtime/", "harness/launchers/", "harness/machine/"),
    *("cli/test_run", "cli/test_gpu"),
)
_COVERAGE = "COVERAGE_PROCESS_CONFIG"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    is_ours = item.path.is_relative_to(_TESTS)
    is_covered = not is_ours or item.path.relative_to(_TESTS).as_posix().startswith(_COVERED_PROCESSES)
    configuration = None if is_covered else os.environ.pop(_COVERAGE, None)
    try:
        return (yield)
    finally:
        if configuration is not None:
            os.environ[_COVERAGE] = configuration


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    for name, plugin in _INI.items():
        if not pluginmanager.has_plugin(plugin.removeprefix("pytest-")):
            parser.addini(name, f"of {plugin}, which is not installed")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if _is_for_gpus(config):
        import torch  # noqa: F401  what it warns of as it is imported is no fault of a test


def _is_for_gpus(config: pytest.Config) -> bool:
    return config.option.markexpr == "gpu"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """With `-m gpu` a module that needs a missing package is left out: a GPU machine may have torch and pytest only."""
    report: Any = yield
    if report.failed and _is_for_gpus(collector.config) and (lacking := _lacking(report.call.excinfo.value)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {lacking}")
    return report


def _lacking(error: BaseException | None) -> str | None:
    """What an import says of a package that is not of this tree, in the error or a cause of it."""
    while error is not None:
        package = error.name.partition(".")[0] if isinstance(error, ImportError) and error.name else None
        if package not in (None, "ssdbench", "tests", "benchmarks"):
            return str(error)
        error = error.__cause__
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for engine in ("containers", "slurm"):
            if item.get_closest_marker(engine):
                item.add_marker(pytest.mark.xdist_group(engine))  # started once, by one worker
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    for item in gpu_items:
        # Of versions that were never tried together, on a machine that is not ours.
        item.add_marker(pytest.mark.filterwarnings("default"))
    if gpu_items and not _has_gpu():
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
    if reason := slurm_cluster.missing():
        for item in items:
            if item.get_closest_marker("slurm"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running Slurm of two nodes: the file that SLURM_CONF has to name."""
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as configuration:
        yield configuration


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server for all tests that need one."""
    from tests.databases import PostgresqlServer, postgresql_binaries

    binaries = postgresql_binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server: ci/install-postgresql.sh")
    server = PostgresqlServer(binaries)
    yield server
    server.stop()


@pytest.fixture
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """An empty store of a kind, as `--store` takes it."""

    def make(kind: str) -> str:
        if kind == "postgresql":
            server: PostgresqlServer = request.getfixturevalue("postgresql")
            return server.new_place()
        return f"sqlite:///{tmp_path / 'store.db'}" if kind == "sqlite" else str(tmp_path / "files")

    return make
