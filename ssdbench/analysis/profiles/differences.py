"""The difference of two arms of launches in seconds, with its interval, and what of many such differences is real.

Seconds add up, and a row may be absent from an arm: so the differences are of seconds, and not of logarithms as in
verdicts. Welch, B. L. (1947), The generalization of Student's problem when several different population variances are
involved, Biometrika 34; Holm (1979) as in `verdicts.contrast`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from ssdbench.analysis.verdicts.contrast import quantile, tail
from ssdbench.schema.explanation import Change

FALSE_ALARMS = 0.01
"""The share of explanations of equal builds that may name anything: Holm's family-wise error over all their rows."""
CONFIDENCE = 0.95
"""Of the interval that is shown beside a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Seconds of a row in each launch of both arms."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            baseline=tuple(a + b for a, b in zip(self.baseline, other.baseline, strict=True)),
            candidate=tuple(a + b for a, b in zip(self.candidate, other.candidate, strict=True)),
        )

    @property
    def estimate(self) -> float:
        """Mean of the candidate minus that of the baseline."""
        return fmean(self.candidate) - fmean(self.baseline)

    @property
    def error(self) -> float:
        """The standard error; infinite with a single launch in an arm."""
        if min(len(self.baseline), len(self.candidate)) < 2:
            return math.inf
        return math.sqrt(math.fsum(variance(side) / len(side) for side in (self.baseline, self.candidate)))

    @property
    def freedom(self) -> float:
        """Degrees of freedom (Welch, Satterthwaite)."""
        parts = [(variance(side) / len(side), len(side) - 1) for side in (self.baseline, self.candidate)]
        total = sum(part for part, _ in parts)
        if total == 0:
            return sum(freedom for _, freedom in parts)
        return total**2 / sum(part**2 / freedom for part, freedom in parts)

    @property
    def p(self) -> float:
        """Two-sided p of "no difference"."""
        error = self.error
        if error == 0:
            return 0.0 if self.estimate else 1.0
        if math.isinf(error):
            return 1.0
        return min(1.0, 2 * tail(abs(self.estimate) / error, self.freedom))

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        """Half of the interval of the estimate."""
        error = self.error
        return error if error == 0 or math.isinf(error) else quantile((1 + confidence) / 2, self.freedom) * error

    def change(self) -> Change:
        """Means, and the interval of their difference."""
        baseline, half = fmean(self.baseline), self.half_width()
        estimate = self.estimate
        return Change(baseline=baseline, candidate=baseline + estimate, low=estimate - half, high=estimate + half)

    def detectable(self, tests: int) -> float:
        """The smallest difference that Holm's test over so many rows would have found: at its first step."""
        return self.half_width(1 - FALSE_ALARMS / tests)


def total(rows: Sequence[Difference]) -> Difference:
    """The sum of rows, launch by launch."""
    result = rows[0]
    for row in rows[1:]:
        result = result + row
    return result
