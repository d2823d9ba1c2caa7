"""Environments that are made from the versions of a record."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.environments import find_environment, make_environment, what_it_takes
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.schema.environment import Software
from tests.builders import SOFTWARE

HERE = replace(SOFTWARE, python=".".join(map(str, sys.version_info[:3])), dali=None)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "version",
    ["2.11.0 @ https://example.org/torch.whl", "--index-url=https://example.org", "2.11.0; x", "../torch", ""],
)
def test_what_is_no_version_is_never_a_requirement(version: str) -> None:
    for software in (replace(HERE, torch=version), replace(HERE, dali=version)):
        for ask in (what_it_takes, find_environment, make_environment):
            with pytest.raises(EnvironmentLacksError, match="which cannot be installed"):
                ask(software)


def test_versions_that_no_index_has_are_one_sentence_and_leave_no_environment() -> None:
    software = replace(HERE, torch="0.0.1+cu0")
    with pytest.raises(EnvironmentLacksError, match="could not install the baseline's versions: ") as error:
        make_environment(software)
    assert "\n" not in str(error.value)
    assert find_environment(software) is None


@pytest.mark.packages
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_versions_of_this_environment_are_installed_again_and_found() -> None:
    worker = inspect_python(sys.executable)
    known = {name: version for name, version in worker.packages.items() if name in Software.__dataclass_fields__}
    software = replace(SOFTWARE, python=worker.version, **known)
    python = make_environment(software)
    assert find_environment(software) == python
    assert os.path.commonpath([python, os.environ["SSDBENCH_CACHE"]]) == os.environ["SSDBENCH_CACHE"]
    assert {name: inspect_python(python).packages[name] for name in known} == known
