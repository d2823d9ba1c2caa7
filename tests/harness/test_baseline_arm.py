"""The environment of a stored run is used as the baseline arm only if it is certainly unchanged."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.baseline_arm import choose_baseline_arm
from ssdbench.harness.trust import Trust
from ssdbench.schema.record import ContainerImage, Run, RunOptions
from tests.builders import HOST, a_run


def stored(source: Path, **host: object) -> Run:
    options = RunOptions(measured_by=sys.executable, source=str(source))
    return a_run(options=options, host=replace(HOST, **host))  # type: ignore[arg-type]


def test_a_run_with_uncommitted_changes_cannot_be_a_baseline_arm(tmp_path: Path):
    with pytest.raises(EnvironmentLacksError, match="with uncommitted changes"):
        choose_baseline_arm(None, None, stored(tmp_path, ssdbench_commit="abc+dirty"), Trust(everything=True))


def test_another_version_of_torch_is_another_environment(tmp_path: Path):
    run = stored(tmp_path, ssdbench_commit=None)
    (record, *_) = run.records
    assert record.measurement is not None
    software = replace(record.measurement.software, torch="1.0.0")
    changed = replace(run, records=(replace(record, measurement=replace(record.measurement, software=software)),))
    with pytest.raises(EnvironmentLacksError, match=r"run run-1 was measured with 1\.0\.0"):
        choose_baseline_arm(None, None, changed, Trust(everything=True))


def test_a_run_that_does_not_say_what_measured_it_has_no_environment_to_ask(tmp_path: Path):
    with pytest.raises(
        EnvironmentLacksError, match=r"the environment of run run-1 no longer exists here \(None, None\)"
    ):
        choose_baseline_arm(None, None, a_run())


def test_a_run_in_a_container_has_its_environment_in_an_image():
    options = RunOptions(measured_by="python", source="/ssdbench", image=ContainerImage(reference="bench:1"))
    with pytest.raises(UsageError, match=r"run run-1 was measured in bench:1: use `ssdbench containers compare`"):
        choose_baseline_arm(None, None, a_run(options=options))
