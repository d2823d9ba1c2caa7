"""A launch that fails once its timed region is done keeps its measurement, and says how it failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.stores.codec import dump
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest, Protocol
from ssdbench.schema.record import Measurement
from tests.builders import a_case, a_measurement

# Imported by every interpreter that starts with its folder on PYTHONPATH: it replaces a function of the worker.
PLANT = """
import importlib.abc, os, signal, sys, time

class Planted(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            {plant}
        spec.loader.exec_module = exec_module
        return spec

import importlib.util
sys.meta_path.insert(0, Planted())

def hang(*arguments): time.sleep(1000)
def killed(*arguments): os.kill(os.getpid(), signal.SIGKILL)
def broken(*arguments): raise RuntimeError("CUDA error: an illegal memory access was encountered")
"""
IN_PROFILE = "ssdbench.worker.profile", "module.profile = {fault}"
IN_TEARDOWN = "ssdbench.workloads.pace", "module.Pace.close = {fault}"


def a_request(folder: Path, timeout_seconds: float = 120.0) -> LaunchRequest:
    protocol = Protocol(warmup_steps=1, steps=4, launches=1, timeout_seconds=timeout_seconds)
    case = a_case(workload="pace", protocol=protocol, options={"step_seconds": 0.01})
    return LaunchRequest(schema_version=EXCHANGE_VERSION, case=case, launch=0, seed=1, output=str(folder / "launch"))


@pytest.mark.fault("R3.1", "a launch is killed, ends with an error or hangs to its limit once its result is written")
@pytest.mark.parametrize(
    ("ending", "kind", "says"),
    [
        ("exit 1", "crash", "exit code 1"),
        ("kill -9 $$", "crash", "exit code -9"),
        ("sleep 100", "timeout", "not done after 2 s"),
    ],
)
def test_what_a_launch_measured_before_it_failed_is_kept(tmp_path: Path, ending: str, kind: str, says: str) -> None:
    (tmp_path / "measurement.json").write_text(dump(a_measurement()))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncp "{tmp_path}/measurement.json" "$3/"\n{ending}\n')
    python.chmod(0o755)
    outcome = LocalLauncher(str(python)).launch(a_request(tmp_path, timeout_seconds=2), lambda _: None)
    assert isinstance(outcome, Measurement)
    assert outcome.failed_afterwards is not None
    assert outcome.failed_afterwards.kind == kind
    assert says in outcome.failed_afterwards.message


@pytest.mark.slow
@pytest.mark.fault("R3.1", "a rank is killed, fails or hangs in the steps that show phases, or as it ends")
@pytest.mark.parametrize(
    ("place", "fault", "kind", "says", "phases"),
    [
        (IN_PROFILE, "killed", "crash", "SIGKILL", []),
        (IN_PROFILE, "broken", "crash", "illegal memory access", []),
        (IN_PROFILE, "hang", "timeout", "not done after 40 s", []),
        (IN_TEARDOWN, "broken", "crash", "illegal memory access", ["fetch", "sleep"]),
    ],
)
def test_the_timed_region_survives_what_comes_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    place: tuple[str, str], fault: str, kind: str, says: str, phases: list[str],
) -> None:  # fmt: skip
    module, plant = place
    (tmp_path / "sitecustomize.py").write_text(PLANT.format(module=module, plant=plant.format(fault=fault)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = LocalLauncher(sys.executable).launch(a_request(tmp_path, timeout_seconds=40), lambda _: None)
    assert isinstance(outcome, Measurement)
    assert len(outcome.step_seconds) == 5
    assert [phase.name for phase in outcome.phases] == phases
    assert outcome.failed_afterwards is not None
    assert outcome.failed_afterwards.kind == kind
    assert says in outcome.failed_afterwards.message
