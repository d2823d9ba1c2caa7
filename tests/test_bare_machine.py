"""On a GPU machine with torch, pytest and this tree alone the `gpu` tests are collected, and nothing else breaks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("bare-machine")  # what its tests share is made once, by one worker

ROOT = Path(__file__).parents[1]
MISSING = (
    *("psycopg", "sqlalchemy", "alembic", "hypothesis", "pydantic", "typer", "rich", "psutil", "scipy"),
    *("ruptures", "jinja2", "markupsafe", "matplotlib", "playwright", "pycocotools", "faster_coco_eval", "nvidia.dali"),
    *(
        "jsonschema",
        "lxml",
        "yaml",
        "pandas",
        "pytest_timeout",
        "xdist",
        "pytest_benchmark",
        "_hypothesis_pytestplugin",
    ),
    "pynvml",
)
BLOCK = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        missing = any(name == package or name.startswith(package + ".") for package in {MISSING!r})
        return None if missing else self.finder.find_spec(name, path, target)

    def __getattr__(self, attribute):
        return getattr(self.finder, attribute)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def collected(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-c", BLOCK, "--collect-only", "-q", "-p", "ssdbench.pytest_plugin", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def with_gpu_alone() -> subprocess.CompletedProcess[str]:
    return collected("-m", "gpu", "tests")


@pytest.mark.long
def test_the_gpu_tests_are_collected_without_an_error(with_gpu_alone: subprocess.CompletedProcess[str]) -> None:
    assert with_gpu_alone.returncode == 0, with_gpu_alone.stdout[-3000:] + with_gpu_alone.stderr
    tests = [line for line in with_gpu_alone.stdout.splitlines() if "::" in line and not line.startswith("SKIPPED")]
    assert len(tests) >= 12
    files = {line.partition("::")[0] for line in tests}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/gpu").glob("test_*.py")} <= files


@pytest.mark.long
def test_what_is_left_out_says_which_package_it_needs(with_gpu_alone: subprocess.CompletedProcess[str]) -> None:
    left_out = [line for line in with_gpu_alone.stdout.splitlines() if line.startswith("SKIPPED")]
    assert any("No module named 'hypothesis'" in line for line in left_out)
    assert any("No module named 'pydantic'" in line for line in left_out)
    assert not [line for line in left_out if "tests/gpu/" in line]


@pytest.mark.long
def test_without_the_marker_a_missing_package_is_an_error() -> None:
    done = collected("tests/harness/stores/test_codec.py")
    assert done.returncode != 0
    assert "No module named" in done.stdout
