"""What a fresh interpreter loads: nothing heavy before it is asked for, and never pandas on the device side."""

import subprocess
import sys

import pytest

HEAVY = {"pandas", "numpy", "scipy", "pydantic", "torch", "matplotlib", "pyarrow", "sqlalchemy", "rich", "typer"}


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


def test_import_ssdbench_loads_nothing_else() -> None:
    found = loaded("import ssdbench")
    assert {name for name in found if name.split(".")[0] == "ssdbench"} == {"ssdbench"}
    assert not found & HEAVY


def test_completing_names_in_a_notebook_loads_nothing_either() -> None:
    found = loaded("import ssdbench; assert {'open', 'judge', 'measure'} <= set(dir(ssdbench))")
    assert not found & HEAVY


@pytest.mark.parametrize("name", ["Lab", "Run", "judge", "measure", "open"])
def test_every_public_name_is_there(name: str) -> None:
    assert "ssdbench" in loaded(f"import ssdbench; assert callable(ssdbench.{name}); assert '{name}' in dir(ssdbench)")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert "ssdbench" in loaded("import ssdbench; assert not hasattr(ssdbench, 'opne')")


def test_the_worker_loads_no_pandas() -> None:
    found = loaded("import ssdbench.worker.rank, ssdbench.worker.loop, ssdbench.worker.training")
    assert "torch" in found
    assert not found & {"pandas", "pyarrow", "pydantic"}
