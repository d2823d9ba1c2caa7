"""The search for the first bad image: known answers, over every place where it can be, with and without gaps."""

import math
from collections.abc import Callable, Mapping

import pytest

from ssdbench.analysis.bisection import Decision, Question, decide, finding_of, probes_left
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.schema.bisection import Finding
from ssdbench.schema.launch_values import CaseLaunches
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status
from tests.analysis.verdicts.launch_values import a_case

IMAGES = tuple(f"24.{month:02}" for month in range(1, 13))
QUESTION = Question(points=IMAGES)


def search(truth: Mapping[str, Finding]) -> tuple[Decision, list[str]]:
    """The end of a search in which probes find this, and the images probed."""
    findings: dict[str, Finding] = {}
    while (decision := decide(QUESTION, findings)).point is not None:
        assert decision.point not in findings
        findings[decision.point] = truth[decision.point]
    return decision, list(findings)


def stepped(first_bad: int) -> dict[str, Finding]:
    return {image: "bad" if place >= first_bad else "good" for place, image in enumerate(IMAGES)}


@pytest.mark.parametrize("first_bad", range(1, len(IMAGES)))
def test_the_first_bad_image_is_found_in_as_few_probes_as_a_binary_search_takes(first_bad: int) -> None:
    decision, probed = search(stepped(first_bad))
    assert decision.finding == "bad"
    assert decision.because.startswith(f"{IMAGES[first_bad]} is the first bad release")
    assert probed[0] == IMAGES[-1]
    assert len(probed) <= 1 + math.ceil(math.log2(len(IMAGES) - 1))


def test_without_a_regression_there_is_nothing_to_search() -> None:
    decision, probed = search(dict.fromkeys(IMAGES, "good"))
    assert (decision.finding, probed) == ("good", [IMAGES[-1]])
    assert decision.because == "24.12 is not worse than 24.01: there is no regression to search"
    assert search(dict.fromkeys(IMAGES, "unknown"))[0].finding == "unknown"


@pytest.mark.parametrize("gap", range(1, len(IMAGES) - 1))
@pytest.mark.parametrize("first_bad", range(1, len(IMAGES)))
def test_an_image_that_supports_no_verdict_is_passed_over_and_never_blamed(first_bad: int, gap: int) -> None:
    truth = stepped(first_bad) | {IMAGES[gap]: "unknown"}
    decision, _ = search(truth)
    if gap in (first_bad - 1, first_bad) and decision.finding == "unknown":
        assert IMAGES[first_bad] in decision.because
        assert decision.because.startswith("one of ")
    else:
        assert decision.because.startswith(f"{IMAGES[first_bad]} is the first bad release")


def test_what_is_left_is_said_where_nothing_can_be_probed() -> None:
    truth: dict[str, Finding] = dict.fromkeys(IMAGES, "unknown")
    decision, probed = search(truth | {"24.12": "bad", "24.04": "good", "24.10": "bad"})
    assert decision.finding == "unknown"
    assert decision.because == (
        "one of 24.05, 24.06, 24.07, 24.08, 24.09, 24.10 is the first bad release: "
        "those before 24.10 support no verdict"
    )
    assert len(probed) == len(set(probed))


def test_two_neighbours_need_one_probe() -> None:
    decision = decide(Question(points=("a", "b")), {"b": "bad"})
    assert decision.because == "b is the first bad release: a comes right before it"


def test_only_what_got_worse_is_bad() -> None:
    bad = {status for status in Status if finding_of(status) == "bad"}
    good = {status for status in Status if finding_of(status) == "good"}
    assert bad == {Status.REGRESSED, Status.NO_LONGER_FITS, Status.WAIVED}
    assert good == {Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW}


def test_what_got_better_is_bad_where_an_improvement_is_searched_for() -> None:
    bad = {status for status in Status if finding_of(status, "improvement") == "bad"}
    good = {status for status in Status if finding_of(status, "improvement") == "good"}
    assert bad == {Status.IMPROVED, Status.FITS_NOW}
    assert good == {Status.UNCHANGED, Status.REGRESSED, Status.NO_LONGER_FITS, Status.WAIVED}


def test_an_improvement_is_called_by_its_name_and_a_point_by_what_is_shown_for_it() -> None:
    names = {"aaaa": "aa (begin)", "bbbb": "bb (speed up)"}
    question = Question(points=tuple(names), kind="commit", find="improvement", names=names)
    assert decide(question, {}).because == "is bb (speed up) better than aa (begin) at all?"
    answer = "bb (speed up) is the first better commit: aa (begin) comes right before it"
    assert decide(question, {"bbbb": "bad"}).because == answer
    nothing = "bb (speed up) is not better than aa (begin): there is no improvement to search"
    assert decide(question, {"bbbb": "good"}).because == nothing


@pytest.mark.parametrize("first_bad", range(1, len(IMAGES)))
def test_a_search_takes_as_many_probes_as_are_told_at_each_step(first_bad: int) -> None:
    truth, findings = stepped(first_bad), dict[str, Finding]()
    told = [probes_left(QUESTION, findings)]
    while (point := decide(QUESTION, findings).point) is not None:
        findings[point] = truth[point]
        told.append(probes_left(QUESTION, findings))
    for done, left in enumerate(told):
        assert left.least <= len(findings) - done <= left.most, (done, left)
    assert told[-1].most == 0


def test_there_is_nothing_left_to_probe_without_a_change() -> None:
    assert probes_left(QUESTION, {IMAGES[-1]: "good"}).most == 0
    assert probes_left(QUESTION, {IMAGES[-1]: "unknown"}).most == 0


SETTINGS = Settings(margin=0.03)


def by_the_rule(case: CaseLaunches) -> Finding:
    return finding_of(judge({"case": case}, SETTINGS)["case"].status)


def by_one_launch_of_each(case: CaseLaunches) -> Finding:
    return "bad" if case.measure.candidate[0] > (1 + SETTINGS.margin) * case.measure.baseline[0] else "good"


def blames(verdict: Callable[[CaseLaunches], Finding], seed: int, first_bad: int) -> str:
    """What a search answers whose launches have a noise of half the margin and whose change is twice the margin."""
    findings: dict[str, Finding] = {}
    while (decision := decide(QUESTION, findings)).point is not None:
        place = IMAGES.index(decision.point)
        change = 0.06 if place >= first_bad else 0.0
        case = a_case(seed=100 * seed + place, pairs=40, noise=0.015, change=change)
        findings[decision.point] = verdict(case)
    return decision.because


def test_noise_misleads_a_search_by_single_launches_and_not_one_by_the_verdict_rule() -> None:
    places = [(seed, 1 + seed % (len(IMAGES) - 1)) for seed in range(44)]
    right = [f"{IMAGES[first_bad]} is the first bad release" for _, first_bad in places]
    naive = [blames(by_one_launch_of_each, *place) for place in places]
    assert sum(not said.startswith(answer) for said, answer in zip(naive, right, strict=True)) > 4
    judged = [blames(by_the_rule, *place) for place in places]
    for said, answer, (_, first_bad) in zip(judged, right, places, strict=True):
        assert said.startswith(answer) or (said.startswith("one of ") and IMAGES[first_bad] in said), said
    assert sum(said.startswith(answer) for said, answer in zip(judged, right, strict=True)) > 40
