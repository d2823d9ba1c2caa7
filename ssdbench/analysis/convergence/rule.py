"""The rule that compares seeds with seeds.

One value q a seed (at the end of training the mean of ln AP over all evaluations after the last decay of the learning
rate), N seeds of the baseline and n candidates:

    d = mean(q of the baseline) - mean(q of the candidates)       > 0 is worse
    s = SD of the baseline's q, df = N - 1                        where n = 1
    s = pooled SD of both sides, df = N + n - 2                   where n > 1
    h = t[.99, df] * s * sqrt(1/N + 1/n)
    m = ln(1 + margin)

| verdict      | when                        |
|--------------|-----------------------------|
| regressed    | d - h > 0 and d + h >= m    |
| improved     | the same mirrored           |
| unchanged    | d + h < m and d - h > -m    |
| inconclusive | everything else             |

If h < m / 2, any d is decided: the number of seeds needed follows from the spread alone. docs/convergence.md says how
often the rule errs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev, variance

from ssdbench.analysis.verdicts.contrast import quantile
from ssdbench.schema.convergence import ConvergenceSettings
from ssdbench.schema.verdict import Status

MOST_SEEDS = 100
"""No more are ever asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far candidates lie below a baseline, in logarithms: `drop` d, `sd` s, and the sizes of both sides."""

    drop: float
    sd: float
    baseline: int
    candidates: int

    @property
    def freedom(self) -> int:
        """Degrees of freedom of `sd`; N - 1 where there is one candidate."""
        return self.baseline + self.candidates - 2

    @property
    def error(self) -> float:
        """Standard error of `drop`."""
        return self.sd * math.sqrt(1 / self.baseline + 1 / self.candidates)

    def half_width(self, confidence: float) -> float:
        """What `drop` may be wrong by, on either side with this confidence."""
        return quantile(confidence, self.freedom) * self.error


def shift_of(baseline: Sequence[float], candidates: Sequence[float]) -> Shift:
    """The contrast of both sides; two finite values at least in the baseline, one in the candidates."""
    many, few = len(baseline), len(candidates)
    sd = stdev(baseline)
    if few > 1:
        pooled = (many - 1) * variance(baseline) + (few - 1) * variance(candidates)
        sd = math.sqrt(pooled / (many + few - 2))
    return Shift(drop=fmean(baseline) - fmean(candidates), sd=sd, baseline=many, candidates=few)


def status_of(shift: Shift, settings: ConvergenceSettings) -> Status:
    """The rule."""
    drop, reach = shift.drop, shift.half_width(settings.confidence)
    margin = math.log1p(settings.margin(shift.candidates))
    if shift.sd == 0:
        return Status.INCONCLUSIVE
    if drop - reach > 0 and drop + reach >= margin:
        return Status.REGRESSED
    if -drop - reach > 0 and -drop + reach >= margin:
        return Status.IMPROVED
    if drop + reach < margin and drop - reach > -margin:
        return Status.UNCHANGED
    return Status.INCONCLUSIVE


def seeds_needed(shift: Shift, settings: ConvergenceSettings) -> tuple[int | None, int | None]:
    """Seeds to add so that any estimate could be decided at this spread: to the candidates alone, or to both sides.

    The second is asked for only where the first is None. None and None: not with a hundred seeds more.
    """
    if shift.sd == 0:
        return None, None
    more = range(1, MOST_SEEDS + 1)
    alone = next((extra for extra in more if _decides(shift, 0, extra, settings)), None)
    if alone is not None:
        return alone, None
    return None, next((extra for extra in more if _decides(shift, extra, extra, settings)), None)


def _decides(shift: Shift, baseline: int, candidates: int, settings: ConvergenceSettings) -> bool:
    larger = replace(shift, baseline=shift.baseline + baseline, candidates=shift.candidates + candidates)
    return larger.half_width(settings.confidence) < math.log1p(settings.margin(larger.candidates)) / 2
