"""What the tests of workflows share: real stores, real launches of `pace`, and no output at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ssdbench.harness.stores.files import FileStore
    from tests.workflows.image_trainings import Bench

SUITE = """
name = "tiny"
device = "cpu"
foreign_cpu_limit_cores = 1000.0
protocol = { warmup_steps = 1, steps = 5, launches = 2, timeout_seconds = 100 }
[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { step_seconds = 0.001 }
"""


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A workflow, and all that it starts, leaves standard output and standard error to its caller."""
    yield
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    from ssdbench.harness.stores.files import FileStore  # here: a bare GPU machine collects this folder too

    return FileStore(tmp_path / "results")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of one case with two launches."""
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def bench(store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    """A host with two images, whose curves are given by arm; each call is a new process of it."""
    from tests.workflows.image_trainings import Bench

    return lambda **curves: Bench(store, tmp_path / "results", monkeypatch, **curves)
