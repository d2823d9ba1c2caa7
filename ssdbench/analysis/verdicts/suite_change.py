"""The change of a whole suite: a signed-rank test over its cases, next to the verdicts and without influence on them.

A change of 0.3 % in every case stays within the margin of each, and a hundred such cases are not a hundred accidents.
With y_i the logarithm of the change of case i, turned so that larger is worse,

    estimate   Hodges-Lehmann: the median of the averages (y_i + y_j) / 2 over all i <= j (Walsh averages)
    interval   the Walsh averages that the signed-rank test at `alpha` does not reject as the centre

Without a change of the code the estimates of a case are as likely above zero as below by the same amount (the two arms
could be swapped), which is all that the test needs: the cases may be as noisy as they are. It needs both arms measured
in one session. A machine that drifted between sessions moves all cases at once, so a stored baseline says nothing here.

The level is a tenth of the run's, 0.1 %: this is a sentence of every run, and not to be wrong every hundredth time.
Fewer cases than can reach that level (11) give no interval, and so no sentence. Up to 50 cases the distribution of the
signed-rank statistic is exact, beyond it is normal. Hodges, J. L. and Lehmann, E. L. (1963), Estimates of location
based on rank tests, Annals of Mathematical Statistics 34; Hollander, Wolfe and Chicken, Nonparametric Statistical
Methods, 3rd edition, section 3.
"""

import math
from collections.abc import Iterable, Sequence

from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.verdict import Mode, Verdict

# scipy is imported inside functions: it takes long, and most verbs judge nothing.

LEAST_CASES = 6
"""Fewer cases than these are not a suite, whatever the level."""
_SHARE_OF_ALPHA = 0.1
_MOST_EXACT = 50
_ONE_SESSION = (Mode.INTERLEAVED, Mode.SINGLE_SHOT)


def suite_change(verdicts: Iterable[tuple[Metric, Verdict]], settings: Settings) -> SuiteChange | None:
    """The change over all cases that have one, of arms that were measured in one session; None where too few have."""
    alpha = settings.alpha * _SHARE_OF_ALPHA
    changes = [
        math.log1p(verdict.change) * (1 if metric.direction is Direction.LOWER_IS_BETTER else -1)
        for metric, verdict in verdicts
        if verdict.mode in _ONE_SESSION and verdict.change is not None and verdict.low is not None
    ]
    found = hodges_lehmann(changes, alpha) if len(changes) >= LEAST_CASES else None
    if found is None:
        return None
    estimate, low, high = found
    return SuiteChange(
        cases=len(changes),
        worse_by=math.expm1(estimate),
        low=math.expm1(low),
        high=math.expm1(high),
        p_value=_p_value(changes),
        confidence=1 - alpha,
    )


def hodges_lehmann(changes: Sequence[float], alpha: float) -> tuple[float, float, float] | None:
    """The Hodges-Lehmann estimate with its interval of confidence 1 - `alpha`; None where too few values reach it."""
    import numpy as np

    number = len(changes)
    rejected = _rejected(number, alpha / 2)
    if rejected is None:
        return None
    values = np.asarray(changes)
    rows, columns = np.triu_indices(number)
    averages = np.sort((values[rows] + values[columns]) / 2)
    return float(np.median(averages)), float(averages[rejected]), float(averages[-1 - rejected])


def _rejected(number: int, level: float) -> int | None:
    """How many of the lowest Walsh averages lie outside of the interval: the largest t with P(T <= t) <= `level`.

    T is the signed-rank statistic of `number` values. None where not even t = 0 is that rare.
    """
    import numpy as np
    from scipy import stats

    if number > _MOST_EXACT:
        mean = number * (number + 1) / 4
        deviation = math.sqrt(number * (number + 1) * (2 * number + 1) / 24)
        return math.floor(mean - 0.5 - deviation * float(stats.norm.isf(level)))
    ways = np.ones(1)  # in how many of the 2**number choices of signs the ranks sum up to 0, 1, 2, ...
    for rank in range(1, number + 1):
        longer = np.zeros(len(ways) + rank)
        longer[: len(ways)] += ways
        longer[rank:] += ways
        ways = longer
    rare = int(np.searchsorted(np.cumsum(ways) / 2.0**number, level, side="right"))
    return rare - 1 if rare else None


def _p_value(changes: Sequence[float]) -> float:
    """The two-sided p of scipy's signed-rank test; 1 where no case changed at all."""
    from scipy import stats

    return float(stats.wilcoxon(changes, correction=True).pvalue) if any(changes) else 1.0
