"""Skips what this machine cannot run, and says so; property tests on the same examples each time."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import slurm_cluster
from tests.databases import PostgresqlServer, postgresql_binaries

# The same examples in every run, so that a change is what breaks a test; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for engine in ("containers", "slurm"):
            if item.get_closest_marker(engine):
                item.add_marker(pytest.mark.xdist_group(engine))  # started once, by one worker
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
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
