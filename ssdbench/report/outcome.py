"""A verdict in the words of test reports, which know four: nothing undecided may look like a pass.

passed   unchanged, improved, fits now
failed   regressed, no longer fits; inconclusive, no baseline, stale, incomparable, not run, vanished; skipped where
         the baseline has the case: all that keeps the exit code of `compare` from being 0
error    failed (crash, out of memory, timeout, ...)
skipped  skipped with a reason, where the baseline does not have the case either; does not fit, as was accepted
"""

from collections.abc import Collection
from enum import Enum

from ssdbench.schema.verdict import CaseVerdict, Status, Verdict


class Outcome(str, Enum):
    """The words of JUnit and pytest."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


_PLAIN = {
    Status.UNCHANGED: Outcome.PASSED,
    Status.IMPROVED: Outcome.PASSED,
    Status.FITS_NOW: Outcome.PASSED,
    Status.DOES_NOT_FIT: Outcome.SKIPPED,
    Status.FAILED: Outcome.ERROR,
}


def outcome(verdict: Verdict, allowed: Collection[str] = ()) -> Outcome:
    """What a test report says of a verdict; failures whose status is in `allowed` are skipped."""
    if verdict.status.value in allowed:
        return Outcome.SKIPPED
    if verdict.status is Status.SKIPPED and not verdict.baseline_launches:
        return Outcome.SKIPPED
    return _PLAIN.get(verdict.status, Outcome.FAILED)


def because(case: CaseVerdict) -> str:
    """The sentence of a verdict, the phase that a change lies in, and the notes."""
    return "; ".join(filter(None, [case.verdict.sentence, case.explanation, *case.notes]))
