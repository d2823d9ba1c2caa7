"""History of a baseline: one `Acceptance` for every time it was replaced, kept permanently."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass

Against = Literal["baseline", "release", "anchor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRegression:
    """A case whose gated metric got worse with an acceptance, knowingly.

    `old_value` and `new_value` are in the metric's unit, `change` is relative to the old one (-0.05 is 5 % less).
    `against` says what it is worse than: the baseline that was replaced, the last release, or the anchor.
    """

    case_key: str
    metric: str
    old_value: float
    new_value: float
    change: float
    against: Against


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One line of a baseline's history.

    `run_ids` are the accepted runs, oldest first. `margin` is the relative change from which a case counted as worse,
    `judged_by` the version of ssdbench whose rule compared. `dropped` holds the keys of cases that these runs lack,
    that no longer fit into the GPU's memory, or that were measured in a way that is not comparable. `reset_anchor` says
    that these runs became the anchor: in the first acceptance, and wherever it was asked for. `cases` are the keys of
    those that moved to these runs while the others stayed; None where all cases are those of these runs.
    """

    schema_version: int
    accepted_at: str
    reason: str
    run_ids: tuple[str, ...]
    margin: float
    judged_by: str
    accepted_regressions: tuple[AcceptedRegression, ...] = ()
    dropped: tuple[str, ...] = ()
    reset_anchor: bool = False
    cases: tuple[str, ...] | None = None
