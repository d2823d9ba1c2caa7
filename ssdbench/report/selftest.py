"""The self-test for a terminal and for the log of a job: a line for each plant as soon as it is known."""

import math
from collections.abc import Iterator

from ssdbench.errors import ExitCode
from ssdbench.schema.plain_text import shorten
from ssdbench.schema.selftest import Demand, PlantResult, SelfTest
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import Status

PASSED, FAILED, LEFT_OUT = "passed", "FAILED", "left out"
_SAID_CHARACTERS = 160
STYLES = {PASSED: "green", FAILED: "bold red", LEFT_OUT: "yellow"}


def word_of(result: PlantResult) -> str:
    """One of `PASSED`, `FAILED`, `LEFT_OUT`."""
    if result.not_planted:
        return LEFT_OUT
    return PASSED if result.has_passed else FAILED


def line_of(result: PlantResult) -> str:
    """A plant in a line: what was planted, what was demanded, what came."""
    what = f"{result.subject} · {result.name} ({result.way}: {result.fault})"
    if result.not_planted:
        return f"{what}: not planted, {result.not_planted}"
    demanded = f"{what}: demanded {_demand(result.demand)}"
    if result.found is None:
        return f"{demanded}; {'; '.join(result.problems)}"
    if result.has_passed:
        return f"{demanded}; came so: {shorten(result.found.said, _SAID_CHARACTERS)}"
    return f"{demanded}; came {_found(result)}: {'; '.join(result.problems)}; said was: {result.found.said}"


def endings(test: SelfTest) -> Iterator[str]:
    """What is said at the end: the smallest changes, and the answer."""
    for change in test.smallest_changes:
        yield (
            f"smallest change found in {change.title}: {percent(change.measured)} with the "
            f"{pluralize(change.pairs, 'pair')} measured, {percent(change.in_budget)} with the "
            f"{pluralize(change.pairs_in_budget, 'pair')} that the budget has room for"
        )
    failed = [f"{result.subject} · {result.name}" for result in test.plants if result.problems]
    left_out = [f"{result.subject} · {result.name}" for result in test.plants if result.not_planted]
    passed = sum(result.has_passed for result in test.plants)
    yield f"{passed} of {pluralize(len(test.plants), 'plant')} seen as they have to be, in {test.seconds:.0f} s"
    if left_out:
        yield f"not planted: {', '.join(left_out)}"
    if failed:
        yield f"SELF-TEST FAILED: {', '.join(failed)}; {_advice(test)}"
    elif test.exit_code == ExitCode.OK:
        yield "SELF-TEST PASSED"
    else:
        yield "SELF-TEST INCOMPLETE: the budget is used up; give more with --budget"


def _advice(test: SelfTest) -> str:
    """What follows from plants that were not seen: a margin too small for this machine, or a rule that is broken."""
    undecided = all(
        result.way == "processes" and result.found is not None and result.found.status is Status.INCONCLUSIVE
        for result in test.plants
        if result.problems
    )
    noisy = [change for change in test.smallest_changes if change.measured > test.margin]
    if not undecided or not noisy:
        return "do not rely on verdicts of this installation"
    enough = math.ceil(20 * max(change.measured for change in noisy)) / 20
    larger = f", or repeat with --margin {enough:g}" if enough < 1 else ""
    return (
        f"launches of {', '.join(change.title for change in noisy)} differ too much on this machine for a margin of "
        f"{100 * test.margin:g}%: let nothing else run on it{larger}"
    )


def _demand(demand: Demand) -> str:
    statuses = " or ".join(status.value for status in demand.statuses)
    codes = " or ".join(str(int(code)) for code in demand.exit_codes)
    says = "".join(f" “{words}”" for words in demand.says)
    return f"{statuses}, exit code {codes}, launches {demand.validity}{',' if says else ''}{says}"


def _found(result: PlantResult) -> str:
    assert result.found is not None
    return f"{result.found.status.value}, exit code {int(result.found.exit_code)}, launches {result.found.validity}"
