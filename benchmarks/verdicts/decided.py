"""What a rule says of a block of runs, and our own rule as users get it: `judge` of one run at a time.

`fixed` and `sequential` have the same rules on arrays, which is faster by far; tests hold them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.world import Drawn
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.schema.launch_values import Arms, CaseLaunches
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict

METRIC = METRICS["latency_p50"]


class Answer(IntEnum):
    """The four verdicts as numbers, for arrays."""

    INCONCLUSIVE = 0
    UNCHANGED = 1
    REGRESSED = 2
    IMPROVED = 3


CODES = {
    Status.INCONCLUSIVE: Answer.INCONCLUSIVE,
    Status.UNCHANGED: Answer.UNCHANGED,
    Status.REGRESSED: Answer.REGRESSED,
    Status.IMPROVED: Answer.IMPROVED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Arrays of (runs, cases).

    status: values of `Answer`.
    low, high: the stated interval of the relative change; NaN without one.
    launches: that were used, of both arms and both stages.
    paired: which cases were measured in pairs; None: all.
    """

    status: NDArray[np.int8]
    low: Floats
    high: Floats
    launches: NDArray[np.int64]
    paired: NDArray[np.bool_] | None = None


class Decide(Protocol):
    """An interleaved rule on arrays."""

    def __call__(self, drawn: Drawn, settings: Settings, /) -> Decided: ...


def decide_by_judge(drawn: Drawn, settings: Settings) -> Decided:
    """By the function that users get, run by run."""
    runs = [list(judge(case_launches(drawn, run), settings).values()) for run in range(len(drawn.changes))]
    return of_verdicts(runs)


def case_launches(drawn: Drawn, run: int) -> dict[str, CaseLaunches]:
    """One run as the functions of `ssdbench.analysis.verdicts` take it."""
    measure = _arms(drawn.baseline[run], drawn.candidate[run])
    fresh = _arms(drawn.fresh_baseline[run], drawn.fresh_candidate[run])
    return {
        str(case): CaseLaunches(metric=METRIC, measure=first, confirm=second)
        for case, (first, second) in enumerate(zip(measure, fresh, strict=True))
    }


def of_verdicts(runs: Sequence[Sequence[Verdict]]) -> Decided:
    """Verdicts of all cases of each run."""

    def each(value: str) -> Floats:
        return np.array([[getattr(verdict, value) for verdict in run] for run in runs], dtype=float)

    return Decided(
        status=np.array([[CODES[verdict.status] for verdict in run] for run in runs], dtype=np.int8),
        low=each("low"),
        high=each("high"),
        launches=(each("baseline_launches") + each("candidate_launches")).astype(np.int64),
    )


def _arms(baseline: Floats, candidate: Floats) -> list[Arms]:
    pairs = zip(np.exp(baseline).tolist(), np.exp(candidate).tolist(), strict=True)
    return [Arms(baseline=tuple(there), candidate=tuple(here)) for there, here in pairs]
