"""Results of regular runs made by hand: a run a day, of which one case changes."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.verdict import Status

FIRST_DAY = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
KEY = "train-resnet18-1xcpu-bs2"


def day(number: float) -> datetime:
    """So many days after the first one."""
    return FIRST_DAY + timedelta(days=number)


def a_case_of(status: Status = Status.UNCHANGED, key: str = KEY, **changes: object) -> NightlyCase:
    case = NightlyCase(
        case_key=key,
        title=f"{key.partition('-')[0]} · {key.partition('-')[2]}",
        metric="throughput",
        status=status,
        change=0.001,
        low=-0.004,
        high=0.006,
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def a_result(number: int, *cases: NightlyCase, **changes: object) -> NightlyResult:
    """The result of the day of this number."""
    result = NightlyResult(
        schema_version=SCHEMA_VERSION,
        run_id=f"run-{number:02d}",
        arrival=number + 1,
        measured_at=day(number).isoformat(timespec="seconds"),
        suite="nightly",
        hardware_key="cpu-2x-example",
        host="bench",
        baseline="main",
        exit_code=0,
        cases=cases or (a_case_of(),),
    )
    return replace(result, **changes)  # type: ignore[arg-type]
