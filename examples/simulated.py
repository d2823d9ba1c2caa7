"""Simulated runs for the notebooks of this folder: no figure in them was measured.

The levels are near those that NVIDIA published for an A100 with container 22.10; noise and changes are made up, from a
fixed seed. The records are like those of a real run, so everything that the notebooks do works with real ones.
"""

import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.interleaved import next_pairs
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.case import Case, Plan, PlannedCase, Protocol
from ssdbench.schema.environment import Hardware, Host, Software
from ssdbench.schema.record import Arm, BaselineArm, Dataset, Measurement, Record, RunHeader
from ssdbench.schema.training import EpochResult, Evaluation, Training

ARMS: tuple[Arm, Arm] = ("baseline", "candidate")
_GPUS, _STEPS, _WARMUP_STEPS = 8, 30, 5
_HARDWARE = Hardware(
    cpu_model="Simulated CPU",
    cpu_count=128,
    gpu_model="Simulated A100-SXM4-80GB",
    gpu_count=_GPUS,
    gpu_memory_bytes=80 * 2**30,
    compute_capability=(8, 0),
)
_HOST = Host(hostname="simulated", os="none", kernel="none", memory_bytes=2**40, ssdbench_version="simulated")
_DATASET = Dataset(name="simulated", fingerprint="none", train_images=117_266, val_images=5_000)
_BEGUN = "2026-02-01T22:00:00+00:00"

# Images per second of one GPU by precision and batch size, and what the newer release makes of it.
_IMAGES_PER_SECOND = {("tf32", 64): 364.0, ("tf32", 128): 377.0, ("amp", 64): 663.0, ("amp", 128): 724.0}
_CHANGES = {("tf32", 64): 0.0, ("tf32", 128): 0.0, ("amp", 64): 0.031, ("amp", 128): -0.024}
_EFFICIENCY = {1: 1.0, 4: 0.98, 8: 0.985}


def two_releases() -> Path:
    """A folder of results with one run: two releases of a container, measured in pairs until the rule has decided."""
    chance = random.Random(2026)
    cases = [_case("train", gpus, batch, precision) for precision, batch in _IMAGES_PER_SECOND for gpus in _EFFICIENCY]
    header = _header("20260201-two-releases", "nightly", cases)
    header = replace(header, baseline_arm=BaselineArm(python="python", source="/workspace"))
    records: list[Record] = []
    while wanted := next_pairs(launches_by_case(header.plan, records), header.settings):
        for case in cases:
            more = wanted.get(case.key)
            for _ in range(more.pairs if more else 0):
                assert more is not None
                there = [r for r in records if (r.case, r.arm, r.stage) == (case, "candidate", more.stage.value)]
                for arm in chance.sample(ARMS, 2):
                    launch = _launch(header.run_id, case, len(there), arm, len(records), chance)
                    records.append(replace(launch, stage=more.stage.value, id=f"{launch.id}/{more.stage.value}"))
    # What happens on a real machine happens here too: a launch was disturbed, and measured again.
    disturbed = replace(records[7], invalid_reason="other processes kept 9.2 cores busy", id=f"{records[7].id}/first")
    later = (replace(record, order=record.order + 1) for record in records[7:])
    return _stored(header, [*records[:7], disturbed, *later])


def many_seeds(seeds: int = 15) -> Path:
    """A folder of results with two runs of `seeds` trainings each; the second recipe loses a little accuracy."""
    folder = Path(tempfile.mkdtemp(prefix="ssdbench-example-"))
    for name, level in (("amp", 0.2520), ("bf16", 0.2495)):
        case = _case("accuracy", 1, 64, name)
        header = _header(f"20260203-seeds-{name}", "convergence", [case])
        chance = random.Random(f"seeds of {name}")
        records = [_seed(header.run_id, case, seed, level, chance) for seed in range(seeds)]
        _stored(header, records, folder)
    return folder


def _case(workload: str, gpus: int, batch: int, precision: str) -> Case:
    return Case(
        workload=workload,
        device="cuda",
        world_size=gpus,
        batch_size_per_gpu=batch,
        precision=precision,
        backbone="resnet50",
        pipeline="dali",
        threads_per_rank=8,
        protocol=Protocol(warmup_steps=_WARMUP_STEPS, steps=_STEPS),
    )


def _header(run_id: str, suite: str, cases: list[Case]) -> RunHeader:
    plan = Plan(suite=suite, seed=1, cases=tuple(PlannedCase(case=case) for case in cases), order=())
    return RunHeader(
        schema_version=SCHEMA_VERSION, run_id=run_id, created_at=_BEGUN, plan=plan, hardware=_HARDWARE, host=_HOST,
        dataset=_DATASET,
    )  # fmt: skip


def _launch(run_id: str, case: Case, launch: int, arm: Arm, order: int, chance: random.Random) -> Record:
    key = case.precision, case.batch_size_per_gpu
    images_per_second = _IMAGES_PER_SECOND[key] * case.world_size * _EFFICIENCY[case.world_size]
    if arm == "candidate":
        images_per_second *= 1 + _CHANGES[key]
    seconds = case.global_batch_size / images_per_second * chance.lognormvariate(0, 0.0025)
    steps = tuple(round(seconds * chance.lognormvariate(0, 0.01), 6) for _ in range(_WARMUP_STEPS + _STEPS))
    wall = math.fsum(steps[_WARMUP_STEPS:])
    measurement = Measurement(
        schema_version=EXCHANGE_VERSION,
        workload_version=1,
        started_at=_BEGUN,
        timer="cuda_event",
        global_batch_size=case.global_batch_size,
        warmup_steps=_WARMUP_STEPS,
        step_seconds=steps,
        fetch_seconds=tuple(round(0.04 * step, 6) for step in steps),
        wall_seconds=wall,
        images=_STEPS * case.global_batch_size,
        rank_wall_seconds=(wall,) * case.world_size,
        peak_memory_bytes=(round(case.batch_size_per_gpu * 0.17 * 2**30),) * case.world_size,
        software=_software(arm),
    )
    return _record(run_id, case, launch, order, arm, measurement=measurement)


def _seed(run_id: str, case: Case, seed: int, level: float, chance: random.Random) -> Record:
    luck, epochs, decays = chance.gauss(0, 0.0011), 65, (43, 54)
    evaluated = (*range(4, 44, 5), *range(44, 65, 2))
    results = []
    for epoch in range(epochs):
        decayed = sum(epoch > decay for decay in decays)
        loss = 2.2 + 3.4 * math.exp(-epoch / 7) + 0.9 * math.exp(-epoch / 40) - 0.33 * decayed
        before = 0.205 * (1 - math.exp(-(epoch + 2) / 12))
        ap = (before if decayed == 0 else level - (0.0025 if decayed == 1 else 0.0)) + luck
        results.append(
            EpochResult(
                epoch=epoch,
                iterations=1832 * (epoch + 1),
                images=1832 * 64,
                train_seconds=round(240 * chance.lognormvariate(0, 0.004), 3),
                losses=(round(loss * chance.lognormvariate(0, 0.006), 5),),
                learning_rate=2.6e-3 * 0.1**decayed,
                evaluation=_evaluation(ap + chance.gauss(0, 0.0006)) if epoch in evaluated else None,
                evaluation_seconds=20.0 if epoch in evaluated else 0.0,
            )
        )
    training = Training(
        schema_version=EXCHANGE_VERSION,
        workload_version=1,
        started_at=_BEGUN,
        seed=seed + 1,
        epochs=epochs,
        decay_epochs=decays,
        validation_epochs=evaluated,
        global_batch_size=64,
        results=tuple(results),
        software=_software("candidate"),
    )
    return _record(run_id, case, seed, seed, "candidate", training=training)


def _evaluation(ap: float) -> Evaluation:
    ap = round(ap, 4)
    shares = {"ap_50": 1.7, "ap_75": 1.0, "ap_small": 0.29, "ap_medium": 1.08, "ap_large": 1.6}
    recalls = dict.fromkeys(("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"), 0.3)
    figures = {name: round(share * ap, 4) for name, share in shares.items()} | recalls
    return Evaluation(protocol="every-image", images=5_000, detections=800_000, ap=ap, **figures)


def _software(arm: Arm) -> Software:
    release, torch = ("26.01", "2.10.0") if arm == "baseline" else ("26.02", "2.11.0")
    return Software(python="3.12.3", torch=torch, cuda="13.1", container_release=release)


def _record(run_id: str, case: Case, launch: int, order: int, arm: Arm, **outcome: object) -> Record:
    record = Record(
        schema_version=SCHEMA_VERSION,
        id=f"{run_id}/{case.key}/{arm}/{launch}",
        run_id=run_id,
        case=case,
        launch=launch,
        order=order,
        hardware=_HARDWARE,
        dataset=_DATASET,
        arm=arm,
    )
    return replace(record, **outcome)  # type: ignore[arg-type]


def _stored(header: RunHeader, records: list[Record], folder: Path | None = None) -> Path:
    folder = folder or Path(tempfile.mkdtemp(prefix="ssdbench-example-"))
    store = FileStore(folder)
    store.begin(header)
    for record in records:
        store.append(record)
    return folder
