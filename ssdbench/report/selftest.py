"""The self-test for a terminal and for the log of a job: a line for each plant as soon as it is known."""

from collections.abc import Iterable, Iterator

from ssdbench.errors import ExitCode
from ssdbench.schema.plain_text import shorten
from ssdbench.schema.selftest import OUT_OF_TIME, Demand, PlantResult, SelfTest
from ssdbench.schema.text import percent, pluralize

PASSED, FAILED, LEFT_OUT, UNDECIDED = "passed", "FAILED", "left out", "undecided"
_SAID_CHARACTERS = 160
STYLES = {PASSED: "green", FAILED: "bold red", LEFT_OUT: "yellow", UNDECIDED: "yellow"}


def word_of(result: PlantResult) -> str:
    """One of `PASSED`, `FAILED`, `LEFT_OUT`, `UNDECIDED`."""
    if result.not_planted:
        return UNDECIDED if result.undecided else LEFT_OUT
    return PASSED if result.has_passed else FAILED


def line_of(result: PlantResult) -> str:
    """A plant in a line: what was planted, what was demanded, what came."""
    what = f"{result.subject} · {result.name} ({result.way}: {result.fault})"
    if result.not_planted:
        return f"{what}: {'' if result.undecided else 'not planted, '}{result.not_planted}"
    demanded = f"{what}: demanded {_demand(result.demand)}"
    if result.found is None:
        return f"{demanded}; {'; '.join(result.problems)}"
    if result.has_passed:
        return f"{demanded}; seen: {shorten(result.found.said, _SAID_CHARACTERS)}"
    return f"{demanded}; came {_found(result)}: {'; '.join(result.problems)}; said was: {result.found.said}"


def endings(test: SelfTest) -> Iterator[str]:
    """What is said at the end: the smallest changes, and the answer."""
    for change in test.smallest_changes:
        yield (
            f"smallest change found in {change.title}: {percent(change.measured)} with the "
            f"{pluralize(change.pairs, 'pair')} measured, {percent(change.in_budget)} with the "
            f"{pluralize(change.pairs_in_budget, 'pair')} that the budget has room for"
        )
    for subject, margin in test.margins.items():
        if margin > test.margin:
            yield (
                f"{subject}: launches differ too much for a margin of {100 * test.margin:g}%; "
                f"its plants were made for {100 * margin:g}%"
            )
    failed = _names(result for result in test.plants if result.problems)
    left_out = _names(result for result in test.plants if result.not_planted and not result.undecided)
    undecided = _names(result for result in test.plants if result.undecided)
    passed = sum(result.has_passed for result in test.plants)
    yield f"{passed} of {pluralize(len(test.plants), 'plant')} seen as they have to be, in {test.seconds:.0f} s"
    if left_out:
        yield f"not planted: {left_out}"
    if undecided:
        yield f"undecided: {undecided}"
    if failed:
        yield f"SELF-TEST FAILED: {failed}; do not rely on verdicts of this installation"
    elif test.exit_code == ExitCode.OK:
        yield "SELF-TEST PASSED"
    else:
        yield f"SELF-TEST INCOMPLETE: {_remedy(test)}"


def _names(results: Iterable[PlantResult]) -> str:
    return ", ".join(f"{result.subject} · {result.name}" for result in results)


def _remedy(test: SelfTest) -> str:
    """What to do about the plants that are undecided."""
    reasons = {result.not_planted for result in test.plants if result.undecided}
    remedies = []
    if OUT_OF_TIME in reasons:
        remedies.append(f"{OUT_OF_TIME}: give more with --budget")
    if reasons - {OUT_OF_TIME}:
        remedies.append("launches differ too much here: let nothing else run on the machine, or give a larger --margin")
    return "; ".join(remedies)


def _demand(demand: Demand) -> str:
    statuses = " or ".join(status.value for status in demand.statuses)
    codes = " or ".join(str(int(code)) for code in demand.exit_codes)
    says = "".join(f" “{words}”" for words in demand.says)
    return f"{statuses}, exit code {codes}, launches {demand.validity}{',' if says else ''}{says}"


def _found(result: PlantResult) -> str:
    assert result.found is not None
    return f"{result.found.status.value}, exit code {int(result.found.exit_code)}, launches {result.found.validity}"
