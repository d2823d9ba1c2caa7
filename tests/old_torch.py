"""The environment that `make old-torch-tests` makes: Python 3.8, torch 1.13.1, torchvision 0.14.1, DALI 1.34."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / ".environments" / "python-3.8"


def old_python() -> str:
    """Its interpreter; the test is skipped where it was not made."""
    if not (FOLDER / ".complete").exists():
        pytest.skip(f"{FOLDER} is missing: `make old-torch-tests` makes it")
    return str(FOLDER / "bin" / "python")
