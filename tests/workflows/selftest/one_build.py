"""A run of pairs of one build, as the self-test measures it first: steps of 0.1 s, launches that differ by 0.1 %."""

import math
from dataclasses import replace

from ssdbench.schema.case import Protocol
from ssdbench.schema.record import BaselineArm, PhaseTimes, Run
from ssdbench.schema.settings import Settings
from ssdbench.workflows.selftest.copies import scaled
from tests.builders import a_case, a_measurement, a_record, a_run

CASE = a_case(
    workload="pace",
    backbone="none",
    pipeline="none",
    options={"step_seconds": 0.08},
    protocol=Protocol(warmup_steps=1, steps=8, launches=2),
)
SETTINGS = Settings(margin=0.3, pilot_pairs=2, alpha=0.05)
_ORDER = (("baseline", 0), ("candidate", 0), ("candidate", 1), ("baseline", 1))


def run_of_one_build(order=_ORDER) -> Run:
    """Two pairs, A B B A."""
    header = a_run((CASE, ()), run_id="same", baseline_arm=BaselineArm(python="python", source="source")).header
    records = []
    for place, (arm, pair) in enumerate(order):
        phases = (PhaseTimes(name="fetch", seconds=(0.02,)), PhaseTimes(name="sleep", seconds=(0.08,)))
        measurement = a_measurement(case=CASE, step_seconds=0.1 * (1 + 1e-3 * pair + 1e-4 * place), phases=phases)
        records.append(
            a_record(
                run_id="same", case=CASE, launch=pair, order=place, measurement=measurement, arm=arm, id=f"s/{place}"
            )
        )
    return Run(header=replace(header, settings=SETTINGS), records=tuple(records))


def of_deviations(run: Run, deviations: tuple[float, ...]) -> Run:
    """The same run with launches whose times differ from 0.1 s a step by these logarithms, the same in both arms."""
    records = []
    for record in run.records:
        measured = record.measurement
        assert measured is not None
        factor = math.exp(deviations[record.launch % len(deviations)]) * 0.1 / measured.step_seconds[0]
        records.append(scaled(record, factor))
    return replace(run, records=tuple(records))
