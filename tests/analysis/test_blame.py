"""The search for a culprit among components, played with made-up images: whatever the culprit, it is named or not."""

import itertools
import math
from collections.abc import Callable, Iterable

import pytest

from ssdbench.analysis.blame import RESTORED, Answer, Group, Next, Question, decide, effort_of, finding_of
from ssdbench.schema.bisection import Direction
from ssdbench.schema.blame import Finding
from ssdbench.schema.verdict import Status

Restores = Callable[[set[str]], bool]


def components(count: int) -> tuple[str, ...]:
    return tuple(f"python:c{number:02}" for number in range(count))


def one_of(names: Iterable[str]) -> Restores:
    """Whether any of these is swapped."""
    return lambda swapped: bool(set(names) & swapped)


def all_of(names: Iterable[str]) -> Restores:
    """Whether all of these are swapped."""
    return lambda swapped: set(names) <= swapped


def play(
    names: Group,
    restores: Restores,
    crashes: Restores = lambda swapped: False,
    unknown: Restores = lambda swapped: False,
    find: Direction = "regression",
) -> tuple[Answer, dict[Question, Finding]]:
    """A whole search: what it answers, and all that was tried."""
    findings: dict[Question, Finding] = {}
    while isinstance(step := decide(names, findings, find), Next):
        assert (step.kind, step.swapped) not in findings
        assert step.because
        swapped = set(step.swapped)
        if crashes(swapped):
            findings[step.kind, step.swapped] = "failed"
        elif step.kind == "trial":
            findings[step.kind, step.swapped] = "runs"
        else:
            found: Finding = "unknown" if unknown(swapped) else RESTORED[find] if restores(swapped) else "same"
            findings[step.kind, step.swapped] = found
    return step, findings


def probes(findings: dict[Question, Finding]) -> int:
    return sum(kind == "probe" for kind, _ in findings)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 40])
def test_a_single_culprit_is_named_alone_wherever_it_is(count: int):
    names = components(count)
    for culprit in names:
        answer, findings = play(names, one_of({culprit}))
        assert (answer.groups, answer.is_all) == (((culprit,),), True)
        assert findings["probe", (culprit,)] == "faster"
        assert probes(findings) <= 2 * math.ceil(math.log2(count)) + 3 if count > 1 else 2


@pytest.mark.parametrize("count", [2, 3, 8, 13])
def test_two_that_restore_the_speed_only_together_are_one_group(count: int):
    names = components(count)
    for pair in itertools.combinations(names, 2):
        answer, findings = play(names, all_of(pair))
        assert (answer.groups, answer.is_all) == ((pair,), True)
        assert all(findings.get(("probe", (name,))) != "faster" for name in pair)


@pytest.mark.parametrize("count", [2, 3, 8, 13])
def test_two_that_are_slow_only_together_are_two_groups(count: int):
    names = components(count)
    for pair in itertools.combinations(names, 2):
        answer, _ = play(names, one_of(pair))
        assert sorted(answer.groups) == [(pair[0],), (pair[1],)]
        assert answer.is_all


def test_three_that_restore_the_speed_only_together_are_one_group():
    names = components(9)
    for three in itertools.combinations(names, 3):
        answer, _ = play(names, all_of(three))
        assert answer.groups == (three,)


def test_none_is_named_if_all_together_do_not_restore_the_speed():
    answer, findings = play(components(20), lambda swapped: False)
    assert (answer.groups, answer.finding, probes(findings)) == ((), "same", 1)


def test_without_a_verdict_on_all_together_the_question_stays_open():
    answer, _ = play(components(4), lambda swapped: True, unknown=lambda swapped: True)
    assert (answer.groups, answer.finding) == ((), "unknown")


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_what_crashes_is_never_named_and_the_culprit_is_still_found(broken: int):
    names = components(7)
    for bad in itertools.combinations(names, broken):
        for culprit in set(names) - set(bad):
            answer, findings = play(
                names,
                one_of({culprit}),
                one_of(bad),
            )
            assert answer.groups == ((culprit,),), bad
            assert answer.unusable == bad
            assert not [group for kind, group in findings if kind == "probe" and set(bad) & set(group)]


def test_a_culprit_that_crashes_is_not_named():
    names = components(5)
    answer, _ = play(names, lambda swapped: names[2] in swapped, lambda swapped: names[2] in swapped)
    assert (answer.groups, answer.unusable, answer.finding) == ((), (names[2],), "same")


def test_two_that_run_only_together_are_named_together_and_no_one_else():
    names = components(6)
    torch, vision = names[1], names[4]
    answer, _ = play(names, lambda swapped: torch in swapped, lambda swapped: (torch in swapped) != (vision in swapped))
    assert answer.groups == ((torch, vision),)
    assert answer.unusable == ()


@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_what_made_an_image_faster_is_found_as_what_made_one_slower_is(count: int):
    names = components(count)
    for culprit in names:
        slower, faster = (play(names, one_of({culprit}), find=find) for find in ("regression", "improvement"))
        assert faster[0].groups == slower[0].groups == ((culprit,),)
        assert faster[0].finding == "slower"
        assert list(faster[1]) == list(slower[1])


def test_without_a_verdict_on_the_rest_it_is_not_said_that_nothing_else_has_a_part():
    names = components(5)
    for unknown, is_all in ((lambda swapped: False, True), (lambda swapped: names[1] not in swapped, False)):
        answer, _ = play(names, one_of({names[1]}), unknown=unknown)
        assert (answer.groups, answer.is_all) == (((names[1],),), is_all)


def test_where_there_is_no_component_nothing_is_tried():
    assert play((), lambda swapped: True) == (Answer(finding="unknown"), {})


def test_nothing_is_named_if_nothing_can_be_swapped():
    answer, findings = play(components(3), lambda swapped: True, lambda swapped: True)
    assert (answer.groups, answer.kept, answer.unusable, answer.finding) == ((), (), components(3), "unknown")
    assert probes(findings) == 0


def test_a_probe_without_a_verdict_names_nobody_who_was_not_seen_to_restore_the_speed():
    names = components(4)
    single = lambda swapped: len(swapped) == 1  # noqa: E731
    answer, _ = play(names, lambda swapped: names[0] in swapped, unknown=single)
    for group in answer.groups:
        assert names[0] in group


@pytest.mark.parametrize("count", [1, 2, 5, 12, 30])
def test_the_effort_that_is_told_beforehand_is_kept(count: int):
    names = components(count)
    effort = effort_of(names)
    for culprit in names:
        _, findings = play(names, one_of({culprit}))
        assert effort.one[0] <= probes(findings) <= effort.one[1]
    if count > 1:
        _, findings = play(names, lambda swapped: {names[0], names[-1]} <= swapped)
        assert effort.two[0] <= probes(findings) <= effort.two[1]


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (Status.IMPROVED, "faster"), (Status.UNCHANGED, "same"), (Status.REGRESSED, "same"), (Status.FAILED, "failed"),
        (Status.INCONCLUSIVE, "unknown"), (Status.INCOMPARABLE, "unknown"), (Status.NOT_RUN, "unknown"),
    ],
)  # fmt: skip
def test_only_an_improvement_is_faster(status: Status, finding: Finding):
    assert finding_of(status) == finding


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (Status.REGRESSED, "slower"), (Status.WAIVED, "slower"), (Status.IMPROVED, "same"), (Status.UNCHANGED, "same"),
        (Status.FAILED, "failed"), (Status.INCONCLUSIVE, "unknown"),
    ],
)  # fmt: skip
def test_only_a_regression_is_slower(status: Status, finding: Finding):
    assert finding_of(status, "improvement") == finding
