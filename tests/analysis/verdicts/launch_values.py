"""Nights of launches with a known truth."""

import numpy as np

from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase
from ssdbench.schema.metrics import METRICS, Direction, Metric

LATENCY, THROUGHPUT = METRICS["latency_p50"], METRICS["throughput"]


def some_arms(*, seed: int, pairs: int, noise: float = 1e-3, change: float = 0.0, metric: Metric = LATENCY) -> Arms:
    """Log-normal launches of SD `noise`; `change` makes the candidate so much worse."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(0.0, noise, (2, pairs))
    logs[1] += np.log1p(change)
    sign = 1 if metric.direction is Direction.LOWER_IS_BETTER else -1
    baseline, candidate = np.exp(sign * logs) * 0.1
    return Arms(baseline=tuple(baseline.tolist()), candidate=tuple(candidate.tolist()))


def a_case(
    *, seed: int = 1, pairs: int = 18, noise: float = 1e-3, change: float = 0.0, metric: Metric = LATENCY
) -> CaseLaunches:
    """A case measured with more pairs in both stages than its plans ask for."""
    measured, fresh = (
        some_arms(seed=1000 * stage + seed, pairs=pairs, noise=noise, change=change, metric=metric) for stage in (1, 2)
    )
    return CaseLaunches(metric=metric, measure=measured, confirm=fresh)


def some_launches(
    *, seed: int = 1, cases: int = 10, noise: float = 1e-3, changes: dict[int, float] | None = None
) -> LaunchesByCase:
    """Cases "0", "1", ...; `changes` by number."""
    found = {}
    for number in range(cases):
        change = (changes or {}).get(number, 0.0)
        found[str(number)] = a_case(seed=100 * seed + number, noise=noise, change=change)
    return found
