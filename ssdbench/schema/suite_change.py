"""The change of a whole suite: what no single case shows, all of them together may."""

from __future__ import annotations

from ssdbench.compatibility import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChange:
    """The median relative change over the cases of a run, turned so that + is worse (0.003: 0.3 % worse).

    `low` and `high` bound it with `confidence` (0.999); `p_value` is two-sided, of "as many cases got worse as got
    better, by as much". It is reported and decides nothing.
    """

    cases: int
    worse_by: float
    low: float
    high: float
    p_value: float
    confidence: float

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0
