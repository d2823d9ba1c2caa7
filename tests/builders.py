"""Records made by hand, for tests of everything behind the worker: known times in, known figures out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.case import Case, Plan, PlannedCase, Protocol, Slot
from ssdbench.schema.environment import Hardware, Host, Software
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.gpu import GpuSamples
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.record import Dataset, Failure, FailureKind, Measurement, Record, Run, RunHeader
from ssdbench.schema.training import Evaluation
from ssdbench.schema.verdict import Baseline, BaselineHeader, Status

SOFTWARE = Software(python="3.11.2", torch="2.11.0", torchvision="0.26.0", dali="1.34.0", cuda="13.0")
HARDWARE = Hardware(cpu_model="Example CPU @ 2.00GHz", cpu_count=2)
GPU_HARDWARE = Hardware(
    cpu_model="Example CPU @ 2.00GHz",
    cpu_count=16,
    gpu_model="NVIDIA H100 80GB HBM3",
    gpu_count=1,
    gpu_memory_bytes=80 * 2**30,
    compute_capability=(9, 0),
)
HOST = Host(hostname="bench", os="Debian 12", kernel="6.1.0", memory_bytes=2**34, ssdbench_version="0.1.0")
GPU_SECONDS = tuple(n / 2 - 1 for n in range(15))
DATASET = Dataset(name="synthetic-64", fingerprint="f00d", train_images=64, val_images=16)


def a_case(**changes: object) -> Case:
    """The train workload on one CPU process, global batch 2."""
    case = Case(
        workload="train",
        device="cpu",
        world_size=1,
        batch_size_per_gpu=2,
        precision="fp32",
        backbone="resnet18",
        pipeline="resident",
        protocol=Protocol(warmup_steps=2, steps=10, launches=3),
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def a_measurement(
    *,
    case: Case | None = None,
    step_seconds: float | Sequence[float] = 0.1,
    fetch_seconds: float = 0.01,
    software: Software = SOFTWARE,
    warmup_steps: int | None = None,
    **changes: object,
) -> Measurement:
    """A launch of steps as long as given; by default 0.1 s at global batch 2, so 20 images/s (global)."""
    case = case or a_case()
    total = case.protocol.warmup_steps + case.protocol.steps
    steps = (step_seconds,) * total if isinstance(step_seconds, float) else tuple(step_seconds)
    warmup_steps = case.protocol.warmup_steps if warmup_steps is None else warmup_steps
    timed = steps[warmup_steps:]
    measurement = Measurement(
        schema_version=EXCHANGE_VERSION,
        workload_version=1,
        started_at="2026-01-05T12:00:00+00:00",
        timer="cuda_event" if case.device == "cuda" else "perf_counter",
        global_batch_size=case.global_batch_size,
        warmup_steps=warmup_steps,
        step_seconds=steps,
        fetch_seconds=(fetch_seconds,) * len(steps),
        wall_seconds=sum(timed),
        images=len(timed) * case.global_batch_size,
        rank_wall_seconds=(sum(timed),) * case.world_size,
        peak_memory_bytes=(2**30,) * case.world_size,
        losses=(3.5,) * len(steps),
        software=software,
    )
    return replace(measurement, **changes)  # type: ignore[arg-type]


def gpu_samples(**changes: object) -> GpuSamples:
    """A GPU that answers nothing but what is given, looked at from 1 s before the timed region to 1 s behind its 5."""
    nothing = (None,) * len(GPU_SECONDS)
    samples = GpuSamples(
        index=0,
        uuid="GPU-0",
        seconds=GPU_SECONDS,
        sm_clock_mhz=nothing,
        memory_clock_mhz=nothing,
        power_watts=nothing,
        temperature_celsius=nothing,
        memory_used_bytes=nothing,
        throttle_reasons=nothing,
        energy_joules=nothing,
    )
    return replace(samples, **changes)  # type: ignore[arg-type]


def a_failure(
    kind: FailureKind = "crash", message: str = "the worker ended with exit code 9", **changes: object
) -> Failure:
    failure = Failure(kind=kind, message=message, rank=0, last_step=3)
    return replace(failure, **changes)  # type: ignore[arg-type]


def no_memory() -> Failure:
    """What a launch says that does not fit into the GPU's memory."""
    return a_failure("out_of_memory", "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB", memory="gpu")


def a_record(
    *,
    run_id: str = "run-1",
    case: Case | None = None,
    launch: int = 0,
    order: int = 0,
    step_seconds: float | Sequence[float] = 0.1,
    measurement: Measurement | None = None,
    failure: Failure | None = None,
    **changes: object,
) -> Record:
    """One launch of a case; a measurement is made up from `step_seconds` unless one or a failure is given."""
    case = case or a_case()
    if measurement is None and failure is None:
        measurement = a_measurement(case=case, step_seconds=step_seconds)
    record = Record(
        schema_version=SCHEMA_VERSION,
        id=f"{run_id}/{case.key}/{launch}",
        run_id=run_id,
        case=case,
        launch=launch,
        order=order,
        hardware=HARDWARE,
        dataset=DATASET,
        measurement=measurement,
        failure=failure,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def a_header(
    *, run_id: str = "run-1", cases: Iterable[Case | PlannedCase] | None = None, **changes: object
) -> RunHeader:
    """The header of a run that plans these cases, all their launches one after the other."""
    planned = tuple(PlannedCase(case=case) if isinstance(case, Case) else case for case in (cases or (a_case(),)))
    order = tuple(
        Slot(case_key=item.case.key, launch=launch)
        for item in planned
        if item.skip_reason is None
        for launch in range(item.case.protocol.launches)
    )
    header = RunHeader(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        created_at="2026-01-05T12:00:00+00:00",
        plan=Plan(suite="smoke", seed=1, cases=planned, order=order),
        hardware=HARDWARE,
        host=HOST,
        dataset=DATASET,
    )
    return replace(header, **changes)  # type: ignore[arg-type]


def a_run(
    *cases: tuple[Case | PlannedCase, Sequence[float | Failure]], run_id: str = "run-1", **changes: object
) -> Run:
    """A run of cases, each with what became of its launches: seconds a step, or a failure.

    `a_run((a_case(), (0.1, 0.1, a_failure())))`; without any, three launches of `a_case()` at 20 images/s (global).
    `changes` go to the header.
    """
    asked = cases or ((a_case(), (0.1, 0.1, 0.1)),)
    records = [
        a_record(
            run_id=run_id,
            case=_case(planned),
            launch=launch,
            step_seconds=0.1 if isinstance(outcome, Failure) else outcome,
            failure=outcome if isinstance(outcome, Failure) else None,
        )
        for planned, outcomes in asked
        for launch, outcome in enumerate(outcomes)
    ]
    header = a_header(run_id=run_id, cases=[planned for planned, _ in asked], **changes)
    placed = (replace(record, order=n, hardware=header.hardware) for n, record in enumerate(records))
    return Run(header=header, records=tuple(placed))


def a_baseline(run: Run | None = None, *, name: str = "main", reason: str = "first figures") -> Baseline:
    """The records of a run, accepted."""
    run = run or a_run(run_id="run-0")
    header = BaselineHeader(
        schema_version=SCHEMA_VERSION,
        name=name,
        reason=reason,
        accepted_at="2026-01-05T13:00:00+00:00",
        run_id=run.header.run_id,
        measured_at=run.header.created_at,
        suite=run.header.plan.suite,
        seed=run.header.plan.seed,
        hardware=run.header.hardware,
        host=run.header.host,
        sessions=tuple(dict.fromkeys(record.run_id for record in run.records)),
        options=run.header.options,
        dataset=run.header.dataset,
        launches=len(run.records),
    )
    return Baseline(header=header, records=run.records)


def stored_sessions(run: Run | None = None, *, sessions: int = 5, **changes: str) -> Baseline:
    """A baseline of the run measured in several sessions, 0.01 % apart from one another in time."""
    baseline = a_baseline(run, **changes)
    records = [
        replace(
            _slowed(record, 1 + 1e-4 * (number - sessions // 2)), run_id=f"session-{number}", id=f"{number}/{record.id}"
        )
        for number in range(sessions)
        for record in baseline.records
    ]
    names = tuple(f"session-{number}" for number in range(sessions))
    return replace(
        baseline, header=replace(baseline.header, sessions=names, launches=len(records)), records=tuple(records)
    )


def _slowed(record: Record, factor: float) -> Record:
    measurement = record.measurement
    if measurement is None:
        return record
    steps = tuple(factor * seconds for seconds in measurement.step_seconds)
    slowed = replace(measurement, step_seconds=steps, wall_seconds=factor * measurement.wall_seconds)
    return replace(record, measurement=slowed)


def _case(planned: Case | PlannedCase) -> Case:
    return planned if isinstance(planned, Case) else planned.case


def an_evaluated_checkpoint() -> CheckpointEvaluation:
    """5,000 images, 250 of them a second; AP .01, and each further figure of COCO's order .01 more."""
    names = (
        *("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"),
        *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
    )
    figures = {name: number / 100 for number, name in enumerate(names, start=1)}
    return CheckpointEvaluation(
        schema_version=EXCHANGE_VERSION,
        started_at="2026-01-05T12:00:00+00:00",
        case=a_case(workload="evaluate", options={"protocol": "every-image", "engine": "pycocotools"}),
        checkpoint="epoch_64.pt",
        epoch=65,
        iteration=None,
        evaluation=Evaluation(protocol="every-image", images=5000, detections=123456, **figures),
        detect_seconds=20.0,
        judge_seconds=3.0,
        software=SOFTWARE,
    )


def a_nightly_result(
    *statuses: Status, run_id: str = "run-1", arrival: int = 1, suite: str = "nightly", hardware_key: str = "",
    against_itself: bool = False,
) -> NightlyResult:  # fmt: skip
    """A case of each status, unchanged where none is given."""
    cases = [a_case(batch_size_per_gpu=2 * number) for number in range(1, 1 + len(statuses or (Status.UNCHANGED,)))]
    return NightlyResult(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        arrival=arrival,
        measured_at=f"2026-02-{arrival:02}T03:00:00+00:00",
        suite=suite,
        hardware_key=hardware_key or HARDWARE.key,
        host="bench-1",
        baseline="main",
        exit_code=0,
        cases=tuple(
            NightlyCase(case_key=case.key, title=case.title, metric="throughput", status=status)
            for case, status in zip(cases, statuses or (Status.UNCHANGED,), strict=True)
        ),
        against_itself=against_itself,
    )
