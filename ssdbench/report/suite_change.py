"""The change of the whole suite as one sentence, the same in every output."""

from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.text import percent


def suite_text(suite: SuiteChange) -> str:
    """How the suite changed as a whole, in words: the median change over its cases, its interval, what it shows."""
    median, low, high = (_in_words(change) for change in (suite.worse_by, suite.low, suite.high))
    if suite.is_shown:
        word = "worse" if suite.worse_by > 0 else "better"
        shown = f"the suite as a whole got {word}"
    else:
        shown = "no change of the suite as a whole is shown"
    return (
        f"over {suite.cases} cases the median change is {median} "
        f"({100 * suite.confidence:g}% interval: {low} to {high}): {shown}"
    )


def _in_words(change: float) -> str:
    size = percent(abs(change), 2)
    if size == percent(0.0, 2):
        return size
    return f"{size} {'worse' if change > 0 else 'better'}"
