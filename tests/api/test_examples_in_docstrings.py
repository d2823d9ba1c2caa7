"""The examples in the docstrings of the API run and give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["judging", "lab"])
def test_the_examples_hold(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SSDBENCH_STORE", raising=False)
    found = doctest.testmod(importlib.import_module(f"ssdbench.api.{module}"))
    assert found.attempted > 2
    assert found.failed == 0
