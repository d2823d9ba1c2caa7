"""The words of a report, one sentence each: a report must explain itself where docs/glossary.md is out of reach."""

from collections.abc import Iterable, Mapping

from ssdbench.schema.verdict import Status

GLOSSARY = "docs/glossary.md"

TERMS: Mapping[str, str] = {
    "Case": "One thing to measure: a workload with its number of GPUs, batch size, precision, model and options.",
    "Launch": "One fresh process group that measures one case once; it gives one value.",
    "Baseline": "The build or the stored launches that the candidate is compared with.",
    "Candidate": "The build under test.",
    "Pair": "One launch of the baseline and one of the candidate, right after each other; the order alternates.",
    "Margin": "The smallest relative change that matters; a change that is certainly smaller counts as unchanged.",
    "Interval": "The range that holds the true change with the stated confidence.",
    "Smallest detectable change": "The change that measurements like these would tell from no change in 95 of 100 "
    "runs; it is called only from about the margin on.",
}
"""Terms of a comparison."""

SEED_TERMS: Mapping[str, str] = {
    "Seed": "One training of the recipe; seeds differ only in their random numbers.",
    "Seed distribution": "The baseline of accuracy: several trainings of one recipe that differ only in their seed.",
    "AP": "COCO's average precision, averaged over IoU .50 to .95; from 0 to 1, higher is better.",
    "AP@.50": "The same at an IoU of .50.",
}
"""Terms of a report of trainings."""

EVALUATION_TERMS: Mapping[str, str] = {
    "Baseline": "The container image that the candidate is compared with.",
    "Candidate": "The container image under test.",
    "AP": SEED_TERMS["AP"],
    "Same": "Detections of both on one validation image, with one label, and scores and edges within the tolerances.",
    "Relabelled": "The same but for the label, which is another one; rounding does not do that.",
    "Margin": "The smallest loss of AP that matters, relative to the AP of the baseline.",
    "Interval": "The range that holds the true difference of AP with the stated confidence, from a paired bootstrap: "
    "the validation images are drawn again many times, the same for both, and AP is computed anew each time.",
}
"""Terms of the report of one model in two images."""

HISTORY_TERMS: Mapping[str, str] = {
    "Case": TERMS["Case"],
    "Launch": TERMS["Launch"],
    "Level": "The median of the points between two change points.",
    "Change point": "A place in the history where the level moved; it is found by statistics and judges nothing.",
}
"""Terms of the pages of a history."""

STATUS_MEANINGS: Mapping[Status, str] = {
    Status.REGRESSED: "worse than the baseline, confirmed by the rule",
    Status.NO_LONGER_FITS: "every launch runs out of GPU memory, unlike the baseline",
    Status.FAILED: "a launch crashed, ran out of memory or timed out",
    Status.WAIVED: "worse than the baseline, known, and tolerated up to a ceiling and a day",
    Status.INCONCLUSIVE: "the launches can neither show a change nor rule one out",
    Status.SCREENED: "not measured in pairs this time: its stored sessions show no sign of a slowdown of the margin",
    Status.UNCHANGED: "the whole interval is within the margin",
    Status.IMPROVED: "better than the baseline, confirmed by the rule",
    Status.FITS_NOW: "runs now, while the baseline ran out of GPU memory",
    Status.NO_BASELINE: "the baseline has no usable launch of this case",
    Status.STALE: "the baseline is too old, or of another version of the workload",
    Status.INCOMPARABLE: "measured under conditions that differ from the baseline's",
    Status.NOT_RUN: "planned, but not measured",
    Status.VANISHED: "the baseline has this case, the run does not plan it",
    Status.LEFT_OUT: "the baseline has this case, the run was asked for others with --case",
    Status.SKIPPED: "cannot run on this machine",
    Status.DOES_NOT_FIT: "runs out of GPU memory, and was accepted as such",
}
"""The meaning of each status, as the rest of a sentence that starts with it."""

_CLEAR = (Status.REGRESSED, Status.UNCHANGED, Status.IMPROVED)


def unclear_meanings(statuses: Iterable[Status]) -> list[tuple[Status, str]]:
    """The meaning of each of these statuses that does not explain itself, in the order of `STATUS_MEANINGS`."""
    found = set(statuses)
    return [(status, text) for status, text in STATUS_MEANINGS.items() if status in found and status not in _CLEAR]
