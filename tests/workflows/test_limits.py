"""A run asks for its ceilings once, before its first launch; what goes wrong there is said, and the run goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness import run_setup
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.limits import LimitsAnswer, StepWork
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.roofline import Ceilings
from ssdbench.workflows.measuring import measure, setup_suite
from tests.builders import a_failure, a_measurement
from tests.workflows.test_measuring import Kept

ANSWER = LimitsAnswer(
    schema_version=EXCHANGE_VERSION,
    measured_at="2026-01-05T12:00:00+00:00",
    work=(StepWork(flop_per_image=15e9, bytes_per_image=2e8),),
    ceilings=(Ceilings(source="", matmul_flop_per_second={"fp32": 5e10}, copy_bytes_per_second=2e10),),
)


class Machine(LocalLauncher):
    """Answers as told, and keeps what it was asked for, in order."""

    def __init__(self, answer: LimitsAnswer | Failure) -> None:
        super().__init__("python")
        self.answer = answer
        self.asked: list[str] = []

    def find_limits(self, request: LaunchRequest) -> LimitsAnswer | Failure:
        self.asked.append("limits")
        return self.answer

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Failure:
        self.asked.append("launch")
        return a_measurement(case=request.case)


@pytest.fixture
def setup(suite: Path) -> RunSetup:
    text = (
        suite.read_text(encoding="utf-8").replace('"pace"', '"infer"').replace("options = { step_seconds = 0.001 }", "")
    )
    suite.write_text(f'{text}backbone = "resnet18"\npipeline = "resident"\n', encoding="utf-8")
    return setup_suite(suite)


def run_on(machine: Machine, store: FileStore, setup: RunSetup, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(run_setup, "build_launchers", lambda *_: {"candidate": machine})
    display = Kept()
    assert measure(store, setup, display).exit_code is ExitCode.OK
    return display


def test_it_is_asked_once_before_the_first_launch_and_stored_with_every_launch(
    store: FileStore, setup: RunSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = run_on(machine := Machine(ANSWER), store, setup, monkeypatch)
    assert machine.asked == ["limits", "launch", "launch"]
    assert display.messages == ["measuring what this device can do at most (--no-ceilings omits this)"]
    stored = [record.measurement.limits for record in store.load("latest").records if record.measurement]
    assert [(limits.flop_per_image, limits.matmul_flop_per_second) for limits in stored if limits] == [(15e9, 5e10)] * 2


def test_a_failure_is_said_and_the_run_goes_on(
    store: FileStore, setup: RunSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = run_on(machine := Machine(a_failure()), store, setup, monkeypatch)
    assert machine.asked == ["limits", "launch", "launch"]
    assert display.messages[-1].startswith("what the device can do at most is not known (the worker ended with exit")
    (first, _) = store.load("latest").records
    assert first.measurement is not None
    assert first.measurement.limits is None


def test_nothing_is_asked_where_the_run_omits_it(
    store: FileStore, setup: RunSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    omitted = replace(setup, options=replace(setup.options, ceilings=False))
    display = run_on(machine := Machine(ANSWER), store, omitted, monkeypatch)
    assert (machine.asked, display.messages) == (["launch", "launch"], [])
    assert store.load("latest").header.options.ceilings is False
