"""A case and the machine's own rates that fall together are told as the machine; neither alone is."""

from dataclasses import replace

import pytest

from ssdbench.analysis.verdicts.compare import compare
from ssdbench.analysis.verdicts.machine_change import machine_words
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.record import Measurement, Run
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.schema.verdict import Status
from tests.builders import SOFTWARE, a_measurement, a_record, a_run

THROUGHPUT, LATENCY = METRICS["throughput"], METRICS["latency_p50"]


def launches(day: int, matmul: float | None = 100.0, copy: float | None = 50.0, **changes: object) -> list[Measurement]:
    limits = SpeedLimits(
        arithmetic="fp32",
        measured_at=f"2026-01-{day:02d}T12:00:00+00:00",
        matmul_flop_per_second=matmul,
        copy_bytes_per_second=copy,
    )
    return [a_measurement(limits=limits, **changes)] * 3  # type: ignore[arg-type]


def test_a_machine_that_fell_like_the_case_is_named() -> None:
    words = machine_words(launches(1), launches(2, matmul=89.0, copy=49.5), THROUGHPUT, -0.10)
    assert words == (
        "the machine's own matrix multiply, measured before the first launch, fell by 11.0% as well: the machine "
        "changed, not the build"
    )


def test_both_rates_are_named_and_a_faster_machine_too() -> None:
    slower = machine_words(launches(1), launches(2, matmul=80.0, copy=40.0), LATENCY, 0.25)
    assert "own matrix multiply and copy, measured before the first launch, fell by 20.0% and 20.0% as well" in slower
    faster = machine_words(launches(1, matmul=80.0), launches(2), LATENCY, -0.20)
    assert "rose by 25.0% as well" in faster


@pytest.mark.parametrize(
    ("matmul", "copy", "change"),
    [
        (100.0, 50.0, -0.10),  # the case alone
        (95.0, 50.0, -0.10),  # not half of it
        (110.0, 55.0, -0.10),  # the machine is faster
        (98.0, 49.0, -0.01),  # no more than the noise of a rate
        (None, None, -0.10),
    ],
)
def test_a_machine_that_did_not_change_alike_is_not(matmul: float | None, copy: float | None, change: float) -> None:
    assert machine_words(launches(1), launches(2, matmul, copy), THROUGHPUT, change) == ""


def test_rates_within_those_of_the_baselines_sessions_say_nothing() -> None:
    sessions = [*launches(1), *launches(2, matmul=85.0)]
    assert machine_words(sessions, launches(3, matmul=80.0, copy=None), THROUGHPUT, -0.10) != ""
    assert machine_words(sessions, launches(3, matmul=86.0, copy=None), THROUGHPUT, -0.10) == ""


def test_rates_of_the_same_session_say_nothing_of_two_builds() -> None:
    assert machine_words(launches(1), launches(1, matmul=50.0), THROUGHPUT, -0.5) == ""


def test_a_matrix_multiply_of_other_libraries_does_not_clear_the_build() -> None:
    newer = launches(2, matmul=80.0, copy=None, software=replace(SOFTWARE, torch="2.12.0"))
    words = machine_words(launches(1), newer, THROUGHPUT, -0.20)
    assert words.endswith("as well: the cause is the machine, or torch and its libraries, which changed too")


def session(run_id: str, day: int, seconds: float, matmul: float) -> Run:
    (limited, *_) = launches(day, matmul=matmul, copy=None)
    records = [
        a_record(
            run_id=run_id,
            launch=n,
            order=n,
            measurement=a_measurement(step_seconds=seconds * (1 + n / 1009), limits=limited.limits),
        )
        for n in range(5)
    ]
    run = a_run((records[0].case, (seconds,) * 5), run_id=run_id)
    return replace(run, records=tuple(records))


def test_a_comparison_of_two_stored_sessions_says_so_and_keeps_its_verdict() -> None:
    before, after = session("run-1", 1, 0.1, 100.0), session("run-2", 2, 0.2, 50.0)
    (case,) = compare(after, before, "run-1", DEFAULT_SETTINGS).cases
    assert case.verdict.status is Status.REGRESSED
    assert case.explanation.endswith("fell by 50.0% as well: the machine changed, not the build")
