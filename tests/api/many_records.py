"""A store of 10,000 launches: twenty runs of fifty cases, some launches failed, invalid or replaced, and a baseline."""

import random
from dataclasses import replace
from functools import cache

from ssdbench.harness.stores import codec
from ssdbench.harness.stores.store import Store
from ssdbench.schema.case import Case, Protocol
from ssdbench.schema.record import Record, Run
from tests.builders import a_case, a_failure, a_header, a_measurement, a_record, stored_sessions

RUNS, LAUNCHES = 20, 10
CASES: tuple[Case, ...] = tuple(
    a_case(
        workload=workload,
        batch_size_per_gpu=batch,
        precision=precision,
        protocol=Protocol(warmup_steps=2, steps=8, launches=LAUNCHES),
    )
    for workload in ("train", "infer")
    for batch in range(1, 14)
    for precision in ("fp32", "bf16")
)[:50]
RECORDS = RUNS * len(CASES) * LAUNCHES


@cache
def some_runs() -> tuple[Run, ...]:
    """Runs of all cases: one launch in a hundred failed, is invalid, or was measured again."""
    chance = random.Random(7)
    runs = []
    for number in range(RUNS):
        header = a_header(run_id=f"run-{number:02}", cases=CASES, created_at=f"2026-01-{number + 1:02}T12:00:00+00:00")
        records: list[Record] = []
        for launch in range(LAUNCHES):
            records += [_launch(header.run_id, case, launch, chance, number) for case in CASES]
        runs.append(Run(header=header, records=tuple(replace(record, order=n) for n, record in enumerate(records))))
    return tuple(runs)


def _launch(run_id: str, case: Case, launch: int, chance: random.Random, number: int) -> Record:
    level = 0.1 * (1.05 if number >= RUNS // 2 else 1.0) * chance.lognormvariate(0, 0.003)
    steps = [level * chance.lognormvariate(0, 0.01) for _ in range(case.protocol.warmup_steps + case.protocol.steps)]
    measured = a_measurement(case=case, step_seconds=steps)
    luck = chance.random()
    # Launch 9 of some cases was invalid and is measured in the place of launch 8.
    is_second = launch == LAUNCHES - 1 and luck > 0.97
    place, replacement = (LAUNCHES - 2, 1) if is_second else (launch, 0)
    record = a_record(
        run_id=run_id, case=case, launch=place, measurement=measured, replacement=replacement,
        id=f"{run_id}/{case.key}/measure/candidate/{place}/{replacement}",
    )  # fmt: skip
    if luck < 0.0005:
        return replace(record, measurement=None, failure=a_failure())
    return replace(record, invalid_reason="a clock was locked" if luck < 0.01 else None)


def fill(store: Store) -> None:
    """All runs, and the first one five times over as the baseline."""
    for run in some_runs():
        store.begin(run.header)
        store.archive.append(run.header.run_id, {record.id: codec.stored(record) for record in run.records})
        if run.header.run_id == "run-00":
            store.save_baseline(stored_sessions(run))
