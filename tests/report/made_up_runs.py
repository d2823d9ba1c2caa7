"""Made-up runs of 60 cases on a GPU machine, with known regressions, for reports and their benchmarks."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ssdbench.schema.case import Case, PlannedCase, Protocol
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Arm, BaselineArm, PhaseTimes, Record, Run, RunHeader, StageName
from tests.builders import GPU_HARDWARE, HOST, SOFTWARE, a_case, a_failure, a_header, a_measurement, a_record

HARDWARE = replace(GPU_HARDWARE, gpu_count=8)
PROTOCOL = Protocol(warmup_steps=10, steps=60, launches=5)
NOISE = 1e-3
REGRESSED = {3: 0.062, 17: 0.034, 31: 0.118, 44: 0.021}
IMPROVED = {8: -0.045, 52: -0.028}
NOISY, FAILED, SKIPPED = 12, 26, 57


def sixty_cases() -> list[Case]:
    """Training and inference over GPU counts, batch sizes and precisions."""
    train = [
        a_case(workload="train", device="cuda", world_size=gpus, batch_size_per_gpu=batch, precision=precision,
               backbone="resnet50", pipeline="dali", threads_per_rank=4, protocol=PROTOCOL)
        for gpus in (1, 4, 8) for batch in (32, 64, 128, 256) for precision in ("amp", "tf32", "bf16")
    ]  # fmt: skip
    infer = [
        a_case(workload="infer", device="cuda", batch_size_per_gpu=batch, precision=precision, backbone=backbone,
               pipeline="resident", threads_per_rank=4, protocol=PROTOCOL)
        for batch in (1, 4, 16, 64) for precision in ("amp", "tf32")
        for backbone in ("resnet18", "resnet50", "resnet101")
    ]  # fmt: skip
    return train + infer


def interleaved_run(
    *,
    seed: int = 1,
    pairs: int = 5,
    run_id: str = "2026-06-30T0200-nightly",
    created_at: str = "2026-06-30T02:00:00+00:00",
) -> Run:
    """An interleaved run: 4 cases regressed, 2 improved, 1 is noisy, 1 failed, 1 is skipped, 51 are as they were."""
    draw = random.Random(seed)
    cases = sixty_cases()
    planned: list[Case | PlannedCase] = list(cases)
    planned[SKIPPED] = PlannedCase(case=cases[SKIPPED], skip_reason="the weights of resnet18 are not on this machine")
    header = a_header(
        run_id=run_id,
        cases=planned,
        created_at=created_at,
        hardware=HARDWARE,
        host=replace(HOST, driver="580.95", os="Ubuntu 24.04", gpus=(a_gpu(),), variables={"NCCL_ALGO": "Ring"}),
        baseline_arm=BaselineArm(python="/opt/release/bin/python", source="/opt/release"),
    )
    records: list[Record] = []
    for number, case in enumerate(cases):
        if number == SKIPPED:
            continue
        change = {**REGRESSED, **IMPROVED}.get(number, 0.0)
        noise = 30 * NOISE if number == NOISY else NOISE
        stages: list[tuple[StageName, int]] = [("measure", pairs), ("confirm", 8)] if change else [("measure", pairs)]
        for stage, count in stages:
            records += _pairs(draw, run_id, case, stage, count, change, noise)
        if number == FAILED:
            failure = a_failure(
                "out_of_memory", "CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 79.11 GiB total)"
            )
            broken = replace(records[-1], measurement=None, failure=replace(failure, log="logs/launch-4.log"))
            records[-1] = broken
    return _run(header, records)


def plain_run(number: int, *, launches: int = 5, cases: Sequence[Case] | None = None) -> Run:
    """A run without a baseline arm; from the 20th on a new container, and the cases of `REGRESSED` are slower."""
    draw = random.Random(number)
    run_id = f"run-{number:03d}"
    chosen = sixty_cases() if cases is None else cases
    release = f"26.{1 + number // 10:02d}"
    header = a_header(
        run_id=run_id,
        cases=chosen,
        created_at=f"2026-{1 + number // 28:02d}-{1 + number % 28:02d}T02:00:00+00:00",
        hardware=HARDWARE,
        host=replace(HOST, driver="570.86" if number < 20 else "580.95", os="Ubuntu 24.04", gpus=(a_gpu(),)),
    )
    changes = REGRESSED if number >= 20 else {}
    records = [
        _launch(draw, run_id, case, launch, "candidate", "measure", changes.get(index, 0.0), 3 * NOISE, release)
        for index, case in enumerate(chosen)
        for launch in range(launches)
    ]
    return _run(header, records)


def _run(header: RunHeader, records: Sequence[Record]) -> Run:
    placed = [
        replace(r, order=n, measurement=r.measurement and replace(r.measurement, started_at=header.created_at))
        for n, r in enumerate(records)
    ]
    return Run(header=header, records=tuple(placed))


def a_gpu() -> GpuState:
    return GpuState(
        index=0, uuid="GPU-0", model="NVIDIA H100 80GB HBM3", memory_bytes=80 * 2**30, power_limit_watts=700.0
    )


def _pairs(
    draw: random.Random, run_id: str, case: Case, stage: StageName, count: int, change: float, noise: float
) -> Iterator[Record]:
    releases: Mapping[Arm, str] = {"baseline": "26.05", "candidate": "26.06"}
    for pair in range(count):
        for arm, release in releases.items():
            slower = change if arm == "candidate" else 0.0
            yield _launch(draw, run_id, case, pair, arm, stage, slower, noise, release)


def _launch(
    draw: random.Random,
    run_id: str,
    case: Case,
    launch: int,
    arm: Arm,
    stage: StageName,
    slower: float,
    noise: float,
    release: str,
) -> Record:
    pace = 1.1e-3 * case.batch_size_per_gpu * (1.0 if case.workload == "train" else 0.3) + 4e-3
    phases = _phases(case, pace, slower)
    pace *= (1 + slower) * draw.gauss(1, noise)
    warmup = [pace * (1 + 3.0 * 0.5**n) for n in range(case.protocol.warmup_steps)]
    timed = [pace * draw.gauss(1, 3e-3) for _ in range(case.protocol.steps)]
    steps = (*warmup, *timed)
    share = 0.06 if case.pipeline == "dali" else 0.002
    measurement = a_measurement(
        case=case,
        step_seconds=steps,
        software=replace(SOFTWARE, torch="2.11.0" if release > "26.05" else "2.10.0", container_release=release),
    )
    fetches = tuple(share * draw.uniform(0.5, 1.5) * step for step in steps)
    measurement = replace(measurement, fetch_seconds=fetches, phases=phases)
    return a_record(
        run_id=run_id,
        case=case,
        launch=launch,
        measurement=measurement,
        hardware=HARDWARE,
        arm=arm,
        stage=stage,
        id=f"{run_id}/{case.key}/{stage}/{arm}/{launch}",
    )


def _phases(case: Case, pace: float, slower: float) -> tuple[PhaseTimes, ...]:
    """Five instrumented steps; what is slower lies in the backward pass of training, else in the forward pass."""
    train = {"fetch": 0.06, "forward": 0.31, "loss": 0.05, "backward": 0.55, "optimizer": 0.08}
    shares = train if case.workload == "train" else {"fetch": 0.01, "forward": 1.0}
    last = "backward" if case.workload == "train" else "forward"
    return tuple(
        PhaseTimes(name=name, seconds=(pace * (share + (slower if name == last else 0.0)),) * 5)
        for name, share in shares.items()
    )
