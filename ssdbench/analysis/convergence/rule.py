"""The rule that compares seeds with seeds.

One value q a seed (at the end of training the mean of ln AP over all evaluations after the last decay of the learning
rate), N seeds of the baseline and n candidates, with the variances s_b^2 and s_c^2 of q over them:

    d = mean(q of the baseline) - mean(q of the candidates)       > 0 is worse
    h = t[.99, df] * sqrt(v_b / N + v_c / n)
    m = ln(1 + margin)

| n         | v_b, v_c                             | df                             |
|-----------|--------------------------------------|--------------------------------|
| 1         | both s_b^2                           | N - 1                          |
| 2         | both the pooled variance             | N + n - 2                      |
| 3 or more | s_b^2, the larger of s_b^2 and s_c^2 | Welch's, of N - 1 and n - 1/2  |

| verdict      | when                        |
|--------------|-----------------------------|
| regressed    | d - h > 0 and d + h >= m    |
| improved     | the same mirrored           |
| unchanged    | d + h < m and d - h > -m    |
| inconclusive | everything else             |

One or two seeds cannot show how far seeds of the candidate spread: the baseline's spread stands for it. From three on
they can, and the interval follows the candidate's own spread where that is larger. Few seeds may look closer together
than they are, hence the larger of both variances; it scatters less than s_c^2 alone, hence half a degree of freedom
more. So at most 1 % of correct candidates are judged regressed, even if their seeds spread twice as much as those of
the baseline (benchmarks/convergence.py). Welch, B. L. (1947), The generalization of "Student's" problem when several
different population variances are involved, Biometrika 34.

If h < m / 2, any d is decided: the number of seeds needed follows from the spread alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from ssdbench.analysis.verdicts.contrast import quantile
from ssdbench.schema.convergence import ConvergenceSettings
from ssdbench.schema.verdict import Status

MOST_SEEDS = 100
"""No more are ever asked for."""

OWN_SPREAD_SEEDS = 3
"""Candidate seeds from which on their own spread counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far candidates lie below a baseline, in logarithms: `drop` d, and the SD over the seeds of each side.

    `candidate_sd` is None where there is one seed, or where the seeds to come are not known: the baseline's is taken.
    """

    drop: float
    baseline_sd: float
    candidate_sd: float | None
    baseline: int
    candidates: int

    @property
    def error(self) -> float:
        """Standard error of `drop`; 0 where no seed differs from another."""
        if self.candidates < OWN_SPREAD_SEEDS:
            return self._pooled_sd() * math.sqrt(1 / self.baseline + 1 / self.candidates)
        return math.hypot(*self._own_errors())

    @property
    def freedom(self) -> float:
        """Degrees of freedom of `error`."""
        if self.candidates < OWN_SPREAD_SEEDS or self.error == 0:
            return self.baseline + self.candidates - 2
        there, here = (error / self.error for error in self._own_errors())
        return 1 / (there**4 / (self.baseline - 1) + here**4 / (self.candidates - 0.5))

    def half_width(self, confidence: float) -> float:
        """What `drop` may be wrong by, on either side with this confidence."""
        return quantile(confidence, self.freedom) * self.error

    def _pooled_sd(self) -> float:
        if self.candidate_sd is None:
            return self.baseline_sd
        squares = (self.baseline - 1) * self.baseline_sd**2 + (self.candidates - 1) * self.candidate_sd**2
        return math.sqrt(squares / (self.baseline + self.candidates - 2))

    def _own_errors(self) -> tuple[float, float]:
        """Standard errors of the means of both sides."""
        there, here = self.baseline_sd, self.candidate_sd if self.candidate_sd is not None else self.baseline_sd
        here = max(there, here)
        return there / math.sqrt(self.baseline), here / math.sqrt(self.candidates)


def shift_of(baseline: Sequence[float], candidates: Sequence[float]) -> Shift:
    """The contrast of both sides; two finite values at least in the baseline, one in the candidates."""
    return Shift(
        drop=fmean(baseline) - fmean(candidates),
        baseline_sd=stdev(baseline),
        candidate_sd=stdev(candidates) if len(candidates) > 1 else None,
        baseline=len(baseline),
        candidates=len(candidates),
    )


def status_of(shift: Shift, settings: ConvergenceSettings) -> Status:
    """The rule."""
    drop, reach = shift.drop, shift.half_width(settings.confidence)
    margin = math.log1p(settings.margin(shift.candidates))
    if shift.error == 0:
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
    if shift.error == 0:
        return None, None
    more = range(1, MOST_SEEDS + 1)
    alone = next((extra for extra in more if _decides(shift, 0, extra, settings)), None)
    if alone is not None:
        return alone, None
    return None, next((extra for extra in more if _decides(shift, extra, extra, settings)), None)


def _decides(shift: Shift, baseline: int, candidates: int, settings: ConvergenceSettings) -> bool:
    larger = replace(shift, baseline=shift.baseline + baseline, candidates=shift.candidates + candidates)
    return larger.half_width(settings.confidence) < math.log1p(settings.margin(larger.candidates)) / 2
