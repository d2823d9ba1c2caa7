"""Why a case changed: what of a step differs between two builds, by how much, and how sure that is."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.profile import PartKind
from ssdbench.schema.verdict import Difference

RowState = Literal["appeared", "vanished", "called more often", "called less often", "slower", "faster"]
CauseKind = Literal["layout", "rank", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Seconds a step in both arms (means over launches), and the difference with its 95 % interval.

    The interval is infinite where an arm has a single launch.
    """

    baseline: float
    candidate: float
    low: float
    high: float

    @property
    def seconds(self) -> float:
        """Candidate minus baseline: longer is positive."""
        return self.candidate - self.baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """A part of the step (`schema.profile.StepPart`); all of them add up to the step, in either arm."""

    kind: PartKind
    phase: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """What differs within a place, by Holm's test over all rows, or because it is called in one arm alone.

    `what` says it in words. `kind` is kernels for an operator, else that of the part. `calls` are those a step in both
    arms. `shapes` and `kernels` say of what most of the difference is: kernels of the baseline, of the candidate.
    """

    what: str
    kind: PartKind
    phase: str
    operator: str
    copies: bool
    state: RowState
    change: Change
    calls: tuple[float, float] = (0.0, 0.0)
    shapes: str = ""
    kernels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What a change of the step comes from, in words, and how much of it; `rows` are what it was found by."""

    kind: CauseKind
    what: str
    change: Change
    rows: tuple[RowChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RankExcess:
    """A part of a step in which a rank takes longer than the median rank, on average over the launches of each arm.

    `rank` is the one that was slowest in most launches of the candidate.
    """

    kind: PartKind
    phase: str
    rank: int
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A rule that links a difference to causes: `why` says how ("its kernels run there").

    `causes` are their places in `Explanation.causes`, from 1; there are none where the rule is about the whole step.
    """

    causes: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedDifference:
    """A difference of the two builds that rules link to causes (docs/explain.md); no reason is proved."""

    name: str
    baseline: str
    candidate: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a step of a case changed.

    `measured_seconds` is the difference of a step in the run that was judged, None if that is not known; `plain` is
    that of the profiled launches' steps without the profiler, `profiled` of those with it; neither has what the step
    `waited` for a CPU that other processes used. `causes` are ordered, the largest first. Where the profiled difference
    is not that of the plain steps, or these show another than was judged, `refusal` says so, and there are none.
    `is_gone` is true if it is because the change that was judged is not in the profiled launches.
    `detectable_seconds` is what a row would have had to change by to be found: the median over the rows, and the most.
    `linked` are what else differs, the most plausible first, `unlinked` what no rule links to anything, in no order.
    """

    run_id: str
    case_key: str
    title: str
    device: str
    launches: tuple[int, int]
    steps: int
    builds: tuple[str, str]
    measured_seconds: float | None
    plain: Change
    profiled: Change
    waited: Change
    parts: tuple[PartChange, ...]
    causes: tuple[Cause, ...]
    ranks: tuple[RankExcess, ...]
    refusal: str
    detectable_seconds: tuple[float, float]
    rows_tested: int
    traces: tuple[str, ...] = ()
    is_gone: bool = False
    linked: tuple[LinkedDifference, ...] = ()
    unlinked: tuple[Difference, ...] = ()
