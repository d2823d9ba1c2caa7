"""Every test here injects one fault, named by its `fault` marker; `--matrix` writes the counts into a page.

`@pytest.mark.fault("B28", "two `run --resume` of one run at once")`: an identifier or several, then what is injected.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import cache, environment, ssdbench, start  # noqa: F401  the command, as its own tests run it
from tests.faults import matrix

_OUTCOMES = pytest.StashKey[dict[str, matrix.Injected]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", type=Path, metavar="PAGE", help="write what was injected and survived into this page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OUTCOMES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.parent != here or item.path.name == "test_matrix.py":
            continue
        marker = item.get_closest_marker("fault")
        if marker is None or len(marker.args) < 2:
            raise pytest.UsageError(f"{item.nodeid}: a test of tests/faults needs a marker fault(id, what is injected)")
        item.user_properties.append(("fault", list(marker.args)))


class _Recorder:
    """Sees the reports of every worker in the process that was started by hand."""

    def __init__(self, outcomes: dict[str, matrix.Injected]) -> None:
        self._outcomes = outcomes

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        fault: Any = dict(report.user_properties).get("fault")
        if fault is None or (report.when != "call" and report.outcome == "passed"):
            return
        *identifiers, what = fault
        area = Path(report.location[0]).stem.removeprefix("test_").replace("_", " ")
        outcome = {"passed": "survived", "skipped": "not tried"}.get(report.outcome, "fell short")
        self._outcomes[report.nodeid] = matrix.Injected(area, tuple(identifiers), what, outcome)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Recorder(session.config.stash[_OUTCOMES]))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    injected = list(config.stash[_OUTCOMES].values())
    if injected and not hasattr(config, "workerinput"):
        terminalreporter.write_line(matrix.sentence(injected))
        if page := config.getoption("--matrix"):
            page.write_text(matrix.filled(page.read_text(encoding="utf-8"), injected), encoding="utf-8")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set; read only."""
    from ssdbench.ssd.synthetic import SyntheticSpec, synthesise
    from tests.faults.datasets import nothing

    folder = tmp_path_factory.mktemp("drawn") / "coco"
    synthesise(folder, SyntheticSpec(train_images=5, val_images=9, seed=3, easy=True), nothing)
    return folder


@pytest.fixture
def coco(drawn: Path, tmp_path: Path) -> Path:
    """A data set to damage."""
    return shutil.copytree(drawn, tmp_path / "coco")
