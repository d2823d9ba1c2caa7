"""`ssdbench roofline`: how fast a step could be on a device, and how close a run comes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from rich.console import Console

from ssdbench.cli.help import MEASURING, OUTPUT, argument, option
from ssdbench.cli.options import Json, say
from ssdbench.cli.progress import data_progress
from ssdbench.cli.suite_options import SuiteOptions, takes_options
from ssdbench.errors import UsageError
from ssdbench.schema.case import Case, DeviceKind
from ssdbench.schema.record import Run
from ssdbench.schema.roofline import CasePrediction, Ceilings, Roofline
from ssdbench.workflows.judging import load_run


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineOptions(SuiteOptions):
    """An ad hoc grid, without the options for measuring it."""

    OMITTED: ClassVar[tuple[str, ...]] = (
        *("name", "nodes", "world_size", "pipeline", "option", "warmup_steps", "steps", "launches", "timeout_seconds"),
        *("foreign_cpu_limit_cores", "margin", "data", "weights", "download", "launcher", "slurm", "seed", "compile"),
    )


@takes_options
def roofline(
    options: RooflineOptions,
    run: Annotated[str | None, argument("Run id, the beginning of one, a .jsonl file, or latest.", "RUN")] = None,
    gpu: Annotated[
        str | None,
        option(
            "Name of a GPU or a part of it, such as 'h100 80gb'; default: this machine's.",
            metavar="NAME",
            panel=MEASURING,
        ),
    ] = None,
    ceilings: Annotated[
        str | None,
        option("Ceilings, such as matmul=805e12,tf32=403e12,copy=3.02e12.", metavar="NAME=VALUE,...", panel=MEASURING),
    ] = None,
    measure: Annotated[
        bool, option("First measure the ceilings of this machine's GPU or CPU.", "--measure", panel=MEASURING)
    ] = False,
    groups: Annotated[bool, option("Show the groups of operations of each case.", "--groups", panel=OUTPUT)] = False,
    as_json: Json = False,
) -> None:
    """Predict the time of a training or inference step from its operations, and compare it with a run.

    Each operation takes at least the time of its arithmetic at the rate of a matrix product, and of its bytes at the
    rate of a copy. docs/performance.md describes what is counted, and how close an H100 comes.
    """
    from ssdbench.harness.stores import codec
    from ssdbench.report.roofline import render_roofline

    if (run is None) == (options.workload is None):
        raise UsageError("give either a run (`ssdbench roofline latest`) or an ad hoc grid (`--workload train ...`)")
    loaded = load_run(options.store(), run, say) if run is not None else None
    cases = _cases_of_run(loaded) if loaded is not None else _cases_asked_for(options)
    found = _predicted(options, cases, loaded, _Asked(gpu=gpu, ceilings=ceilings, measure=measure))
    if as_json:
        print(codec.dump(found))
    else:
        Console().print(render_roofline(found, groups=groups or len(found.cases) == 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Where the ceilings come from."""

    gpu: str | None
    ceilings: str | None
    measure: bool


def _cases_of_run(run: Run) -> list[Case]:
    measured = {record.case.key: record.case for record in run.records if record.measurement is not None}
    return list(measured.values())


def _cases_asked_for(options: SuiteOptions) -> list[Case]:
    """The grid on one GPU, on the CPU only if asked for: a prediction needs no GPU."""
    from ssdbench.harness.machine.probe import probe_machine
    from ssdbench.harness.suite import expand

    device: DeviceKind = "cpu" if options.device == "cpu" else "cuda"
    suite = replace(options, device=device, pipeline="resident").suite()
    return [case for case, _ in expand(suite, device, probe_machine().hardware.cpu_count)]


def _predicted(options: SuiteOptions, cases: Sequence[Case], run: Run | None, asked: _Asked) -> Roofline:
    from ssdbench.analysis.roofline import prediction as rooflines
    from ssdbench.analysis.roofline.ceilings import given_ceilings
    from ssdbench.harness.machine.worker_python import inspect_python
    from ssdbench.harness.tracing import trace_steps
    from ssdbench.schema import SCHEMA_VERSION

    skipped = {case.key: reason for case in cases if (reason := rooflines.no_roofline_reason(case, None))}
    wanted = [case for case in cases if case.key not in skipped]
    if not wanted:
        raise UsageError(next(iter(skipped.values()), "the run has no measurement"))
    known = None if asked.measure else _ceilings(asked, wanted[0].device, run)
    with data_progress() as on_progress:
        kind = wanted[0].device if asked.measure else None
        operations, measured = trace_steps(inspect_python(options.python).executable, wanted, kind, on_progress)
    ceilings = known or measured
    assert ceilings is not None
    if asked.measure and asked.ceilings is not None:
        ceilings = given_ceilings(asked.ceilings, measured)
    skipped |= {case.key: reason for case in wanted if (reason := rooflines.no_roofline_reason(case, ceilings))}
    predictions = [
        _with_measured(rooflines.predict(case, steps, ceilings), run)
        for case, steps in zip(wanted, operations, strict=True)
        if case.key not in skipped
    ]
    return Roofline(schema_version=SCHEMA_VERSION, ceilings=ceilings, cases=tuple(predictions), skipped=skipped)


def _with_measured(prediction: CasePrediction, run: Run | None) -> CasePrediction:
    from ssdbench.analysis.roofline.prediction import beside_measured, measured_step_seconds

    step = measured_step_seconds(run.records, prediction.case.key) if run is not None else None
    return prediction if step is None else beside_measured(prediction, step)


def _ceilings(asked: _Asked, device: DeviceKind, run: Run | None) -> Ceilings:
    """The ceilings that are given, else those of the named GPU, of the run's, or of this machine's."""
    from ssdbench.analysis.roofline.ceilings import given_ceilings, known_ceilings

    gpu = asked.gpu or (_gpu_model(run) if device == "cuda" else None)
    if asked.ceilings is not None:
        # They may be complete, for a GPU that no table has; only a GPU that is named must be in the table.
        return given_ceilings(asked.ceilings, known_ceilings(asked.gpu) if asked.gpu is not None else None)
    if device == "cpu" and gpu is None:
        raise UsageError("no table has ceilings of CPUs: add --measure, or --ceilings fp32=...,copy=...")
    if gpu is None:
        raise UsageError("this machine has no GPU: name one with --gpu h100, or give --ceilings matmul=...,copy=...")
    return known_ceilings(gpu)


def _gpu_model(run: Run | None) -> str | None:
    from ssdbench.harness.machine.probe import probe_machine

    return run.header.hardware.gpu_model if run is not None else probe_machine().hardware.gpu_model
