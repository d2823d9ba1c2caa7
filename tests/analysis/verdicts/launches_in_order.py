"""Pairs of launches in a known order whose second launch is slower, as values and as a stored run."""

from dataclasses import replace

import numpy as np

from ssdbench.schema.case import Case
from ssdbench.schema.launch_values import Arms
from ssdbench.schema.metrics import Metric
from ssdbench.schema.record import BaselineArm, Record, Run
from tests.analysis.verdicts.launch_values import LATENCY, THROUGHPUT
from tests.builders import a_record, a_run


def in_order(
    first: tuple[bool, ...], *, second_slower: float, change: float = 0.0, noise: float = 1e-3, seed: int = 1,
    metric: Metric = LATENCY,
) -> Arms:  # fmt: skip
    """Pairs of which the candidate is first where `first` says so."""
    logs = np.random.default_rng(seed).normal(0.0, noise, (2, len(first)))
    is_first = np.array(first, dtype=bool)
    logs[0] += np.log1p(second_slower) * is_first
    logs[1] += np.log1p(second_slower) * ~is_first + np.log1p(change)
    sign = -1 if metric is THROUGHPUT else 1
    baseline, candidate = np.exp(sign * logs)
    return Arms(baseline=tuple(baseline.tolist()), candidate=tuple(candidate.tolist()), candidate_is_first=first)


def alternating(pairs: int, start: int = 0) -> tuple[bool, ...]:
    return tuple((pair + start) % 2 == 0 for pair in range(pairs))


def paired_run(
    first: tuple[bool, ...], *, second_slower: float, cases: tuple[Case, ...], noise: float = 2e-4, seed: int = 0
) -> Run:
    """A run of pairs as it is stored, the launches of each in their order."""
    records: list[Record] = []
    for number, case in enumerate(cases):
        arms = in_order(first, second_slower=second_slower, noise=noise, seed=seed + number)
        for pair, is_first in enumerate(first):
            values = {"baseline": arms.baseline[pair], "candidate": arms.candidate[pair]}
            for arm in sorted(values, reverse=is_first):
                record = a_record(case=case, launch=pair, order=len(records), step_seconds=0.1 * values[arm], arm=arm)
                records.append(replace(record, id=f"{case.key}/{arm}/{pair}"))
    run = a_run(*((case, ()) for case in cases))
    header = replace(run.header, baseline_arm=BaselineArm(python="/usr/bin/python3", source="/src"))
    return replace(run, header=header, records=tuple(records))
