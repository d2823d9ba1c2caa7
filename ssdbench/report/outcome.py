"""Verdicts as the four results of test reports. Nothing undecided may look like a pass.

passed   unchanged, improved, fits now, waived
failed   everything else that keeps the exit code of `compare` from being 0: regressed, no longer fits, inconclusive,
         no baseline, stale, incomparable, not run, vanished; skipped if the baseline has the case
error    failed (crash, out of memory, timeout, ...)
skipped  skipped with a reason, if the baseline does not have the case either; does not fit, as accepted; screened;
         left out by --case
"""

from collections.abc import Collection
from enum import Enum

from ssdbench.schema.verdict import CaseVerdict, Status, Verdict


class Outcome(str, Enum):
    """The results of JUnit and pytest."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


_PLAIN = {
    Status.UNCHANGED: Outcome.PASSED,
    Status.IMPROVED: Outcome.PASSED,
    Status.FITS_NOW: Outcome.PASSED,
    Status.WAIVED: Outcome.PASSED,
    Status.DOES_NOT_FIT: Outcome.SKIPPED,
    Status.SCREENED: Outcome.SKIPPED,
    Status.LEFT_OUT: Outcome.SKIPPED,
    Status.FAILED: Outcome.ERROR,
}


def outcome(verdict: Verdict, allowed: Collection[str] = ()) -> Outcome:
    """The result for a verdict; a failure whose status is in `allowed` is skipped."""
    if verdict.status.value in allowed:
        return Outcome.SKIPPED
    if verdict.status is Status.SKIPPED and not verdict.baseline_launches:
        return Outcome.SKIPPED
    return _PLAIN.get(verdict.status, Outcome.FAILED)


def because(case: CaseVerdict) -> str:
    """The sentence of a verdict, the phase that explains a change, what a waiver says of it, and the notes."""
    waived = case.waiver.sentence if case.waiver else ""
    return "; ".join(filter(None, [case.verdict.sentence, case.explanation, waived, *case.notes]))
