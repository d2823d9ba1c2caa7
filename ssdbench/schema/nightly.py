"""What one call of `ssdbench nightly` found: the verdict on each case, and how it came about."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import Status

Nomination = Literal["interval", "failed", "new", "unsettled", "turn"]
"""Why a case is measured again in fresh pairs.

`interval`: by stored figures it may have changed by the margin; `failed`: it failed, or no longer fits; `new`: there is
nothing to compare it with; `unsettled`: its last result was bad, or no verdict; `turn`: its turn, so that every case is
measured in pairs from time to time.
"""
Look = Literal["only", "first", "second"]
"""Which look at the launches of a session decides whether a case is nominated: that after the first launch, that after
the others of the cases that were still open, or one after all launches."""

_CONCLUSIVE = {
    *(Status.UNCHANGED, Status.IMPROVED, Status.REGRESSED, Status.WAIVED, Status.FAILED),
    *(Status.FITS_NOW, Status.NO_LONGER_FITS, Status.DOES_NOT_FIT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyCase:
    """The verdict on one case; `change`, `low` and `high` as in `Verdict`.

    `nominated` is None where the case was not measured in fresh pairs; `confirmed_in_pairs` says that the verdict rests
    on them: pairs that the time budget did not reach leave it False.
    """

    case_key: str
    title: str
    metric: str
    status: Status
    change: float | None = None
    low: float | None = None
    high: float | None = None
    nominated: Nomination | None = None
    confirmed_in_pairs: bool = False

    @property
    def is_conclusive(self) -> bool:
        """Whether the data supported a verdict."""
        return self.status in _CONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyResult:
    """The verdicts on a run and on the pairs that followed it, kept when they were found.

    `run_id` is the run of the whole suite, `arrival` and `measured_at` (UTC) are those of its header; `pairs_run_id` is
    the run of the nominated cases, None where there was none. `host` is the name of the machine. With `against_itself`
    both arms were the build of the baseline: any change is noise, and every *regressed* a false alarm.
    """

    schema_version: int
    run_id: str
    arrival: int
    measured_at: str
    suite: str
    hardware_key: str
    host: str
    baseline: str
    exit_code: int
    cases: tuple[NightlyCase, ...]
    pairs_run_id: str | None = None
    against_itself: bool = False
