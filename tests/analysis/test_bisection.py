"""The search for the first bad image: known answers, over every place where it can be, with and without gaps."""

import math
from collections.abc import Mapping

import pytest

from ssdbench.analysis.bisection import Decision, decide, finding_of
from ssdbench.schema.bisection import Finding
from ssdbench.schema.verdict import Status

IMAGES = tuple(f"24.{month:02}" for month in range(1, 13))


def search(truth: Mapping[str, Finding]) -> tuple[Decision, list[str]]:
    """The end of a search in which probes find this, and the images probed."""
    findings: dict[str, Finding] = {}
    while (decision := decide(IMAGES, findings)).image is not None:
        assert decision.image not in findings
        findings[decision.image] = truth[decision.image]
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
    decision = decide(("a", "b"), {"b": "bad"})
    assert decision.because == "b is the first bad release: a comes right before it"


def test_only_what_got_worse_is_bad() -> None:
    bad = {status for status in Status if finding_of(status) == "bad"}
    good = {status for status in Status if finding_of(status) == "good"}
    assert bad == {Status.REGRESSED, Status.NO_LONGER_FITS, Status.WAIVED}
    assert good == {Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW}
