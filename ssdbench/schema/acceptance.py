"""How a baseline came to be what it is: one `Acceptance` for every time it was replaced, kept for ever."""

from dataclasses import dataclass
from typing import Literal

Against = Literal["baseline", "release", "anchor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredBar:
    """A case whose gated metric got worse with an acceptance, knowingly.

    `old_value` and `new_value` are in the metric's unit, `change` is relative to the old one (-0.05 is 5 % less).
    `against` says which figures were undercut: the baseline that was replaced, the last release, or the anchor.
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

    `run_ids` are the accepted runs, oldest first. `margin` is the relative change from which a bar counted as lowered,
    `judged_by` the version of ssdbench whose rule compared. `dropped` holds the keys of cases that the new figures
    lack, that no longer fit into the GPU's memory, or that were measured in a way that is not comparable.
    `reset_anchor` says that these runs became the anchor: the first acceptance, and each one that was told to.
    """

    schema_version: int
    accepted_at: str
    reason: str
    run_ids: tuple[str, ...]
    margin: float
    judged_by: str
    lowered: tuple[LoweredBar, ...] = ()
    dropped: tuple[str, ...] = ()
    reset_anchor: bool = False
