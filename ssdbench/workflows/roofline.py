"""Predicts the time of steps from their operations, and compares the predictions with a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssdbench.analysis.roofline.ceilings import given_ceilings, known_ceilings
from ssdbench.analysis.roofline.prediction import (
    beside_measured,
    measured_step_seconds,
    no_roofline_reason,
    predict,
)
from ssdbench.errors import UsageError
from ssdbench.harness.datasets import OnProgress
from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.harness.suite import expand
from ssdbench.harness.suite_tables import Suite
from ssdbench.harness.tracing import trace_steps
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import Case, DeviceKind
from ssdbench.schema.record import Run
from ssdbench.schema.roofline import CasePrediction, Ceilings, Roofline


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingsSource:
    """Where ceilings come from: a GPU's name, given values such as "copy=3e12", or measured now; else this machine."""

    gpu: str | None = None
    values: str | None = None
    measure: bool = False


def measured_cases(run: Run) -> list[Case]:
    """The cases of which a run has a measurement, in the order of their first launches."""
    return list({record.case.key: record.case for record in run.records if record.measurement is not None}.values())


def grid_cases(suite: Suite, device: DeviceKind) -> list[Case]:
    """The cases of an ad hoc grid; no GPU is needed to predict them."""
    return [case for case, _ in expand(suite, device, probe_machine().hardware.whole_cpus)]


def predict_steps(
    cases: Sequence[Case], run: Run | None, source: CeilingsSource, python: str | None, on_progress: OnProgress
) -> Roofline:
    """Trace a step of each case with the interpreter `python`, and predict its time; with the steps of `run`, if any.

    Raises:
        UsageError: no case can be predicted, or there are no ceilings for the device.
        EnvironmentLacksError: the interpreter cannot trace a step.
    """
    skipped = {case.key: reason for case in cases if (reason := no_roofline_reason(case, None))}
    wanted = [case for case in cases if case.key not in skipped]
    if not wanted:
        raise UsageError(next(iter(skipped.values()), "the run measured no speed: give one of `ssdbench run`"))
    known = None if source.measure else _ceilings(source, wanted[0].device, run)
    kind = wanted[0].device if source.measure else None
    operations, measured = trace_steps(inspect_python(python).executable, wanted, kind, on_progress)
    ceilings = known or measured
    assert ceilings is not None
    if source.measure and source.values is not None:
        ceilings = given_ceilings(source.values, measured)
    skipped |= {case.key: reason for case in wanted if (reason := no_roofline_reason(case, ceilings))}
    predictions = [
        _with_measured(predict(case, steps, ceilings), run)
        for case, steps in zip(wanted, operations, strict=True)
        if case.key not in skipped
    ]
    return Roofline(schema_version=SCHEMA_VERSION, ceilings=ceilings, cases=tuple(predictions), skipped=skipped)


def _with_measured(prediction: CasePrediction, run: Run | None) -> CasePrediction:
    step = measured_step_seconds(run.records, prediction.case.key) if run is not None else None
    return prediction if step is None else beside_measured(prediction, step)


def _ceilings(source: CeilingsSource, device: DeviceKind, run: Run | None) -> Ceilings:
    """The given ceilings, else those of the named GPU, the run's, or this machine's."""
    gpu = source.gpu or (_gpu_model(run) if device == "cuda" else None)
    if source.values is not None:
        # They may be complete, for a GPU that no table has; only a GPU that is named must be in the table.
        return given_ceilings(source.values, known_ceilings(source.gpu) if source.gpu is not None else None)
    if device == "cpu" and gpu is None:
        raise UsageError("no table has ceilings of CPUs: add --measure, or --ceilings fp32=...,copy=...")
    if gpu is None:
        raise UsageError("this machine has no GPU: name one with --gpu h100, or give --ceilings matmul=...,copy=...")
    return known_ceilings(gpu)


def _gpu_model(run: Run | None) -> str | None:
    return run.header.hardware.gpu_model if run is not None else probe_machine().hardware.gpu_model
