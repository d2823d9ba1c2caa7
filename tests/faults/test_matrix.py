"""The counts of docs/reliability.md are those of the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.fault("X1", "a sound thing")
def test_sound(): pass

@pytest.mark.fault("X2", "X3", "a | in a cell")
def test_wrong(): assert False

@pytest.mark.fault("X4", "elsewhere")
def test_elsewhere(): pytest.skip("not here")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "workers"])
def test_a_fault_that_fell_short_is_counted_as_such(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    page = _folder(pytester, TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *workers, f"--matrix={page}", "tests/faults")
    result.stdout.fnmatch_lines(["*2 faults injected, 1 survived; 1 could not be injected on this machine."])
    text = page.read_text()
    assert "| things | 2 | 1 |" in text
    assert r"| X2, X3 | a \| in a cell | fell short |" in text
    assert "| X4 | elsewhere | not tried |" in text
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text


def test_a_test_that_does_not_name_its_fault_is_refused(pytester: pytest.Pytester) -> None:
    _folder(pytester, "def test_nameless(): pass\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "tests/faults")
    assert "test_nameless: a test of tests/faults needs a marker" in result.stderr.str() + result.stdout.str()
    assert result.ret != 0


def _folder(pytester: pytest.Pytester, tests: str) -> Path:
    folder = pytester.mkdir("tests") / "faults"
    folder.mkdir()
    for name in ("conftest.py", "matrix.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
    folder.with_name("cli").mkdir()
    shutil.copy(Path(__file__).parents[1] / "cli" / "conftest.py", folder.with_name("cli"))
    (folder / "test_things.py").write_text(tests)
    pytester.makeini("[pytest]\npythonpath = .\naddopts = --import-mode=importlib\nmarkers = fault: a fault\n")
    page = pytester.path / "page.md"
    page.write_text("Before.\n<!-- matrix -->\nold\n<!-- end of matrix -->\nAfter.\n")
    return page
