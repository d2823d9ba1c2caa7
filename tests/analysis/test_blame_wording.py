"""The end of a search in words: who is named, with how much, and what could not be swapped."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ssdbench.analysis.blame import Answer, Effort, Group
from ssdbench.analysis.blame_wording import answer_words, effort_words
from ssdbench.schema.blame import BlameStep, Finding

A, B, C = "python:brake", "python:clutch", "debian:libhorn1"
MARGIN = 0.05


def step(
    *swapped: str, finding: Finding = "faster", change: float = 0.3, low: float = 0.28, high: float = 0.32
) -> BlameStep:
    return BlameStep(
        schema_version=4, decided_at="2026-01-01T00:00:00+00:00", because="", kind="probe",
        swapped=tuple(sorted(swapped)), finding=finding, change=change, low=low, high=high,
    )  # fmt: skip


def words(*groups: Group, steps: Iterable[BlameStep] = (), left_out: Iterable[str] = (), **answer: object) -> str:
    values = {"kept": (A, B, C), "is_all": True, "finding": "faster"} | answer
    found = Answer(groups=groups, **values)  # type: ignore[arg-type]
    return answer_words(found, list(steps), dict.fromkeys(left_out, "a reason"), "bench:1", MARGIN)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            words((A,), steps=[step(A, B, C), step(A)]),
            "it is brake (Python) (30.0% faster, interval 28.0% to 32.0%): with that of bench:1 alone the speed "
            "comes back, and without it nothing that was swapped brings it back",
        ),
        (
            words((A, B), steps=[step(A, B, C), step(A, B)]),
            "only together: brake (Python) and clutch (Python) (30.0% faster, interval 28.0% to 32.0%); with those "
            "of bench:1 the speed comes back, with fewer of them it does not",
        ),
        (
            words((A,), (B,), steps=[step(A, B, C), step(A), step(B)]),
            "slow only together: brake (Python) (30.0% faster, interval 28.0% to 32.0%); clutch (Python) (30.0% "
            "faster, interval 28.0% to 32.0%); with that of bench:1 for any of them the speed comes back",
        ),
        (
            words((A,), (B,), steps=[step(A, B, C), *(step(n, change=0.15, low=0.13, high=0.17) for n in (A, B))]),
            "each has a part in it: brake (Python) (15.0% faster in part, interval 13.0% to 17.0%); clutch "
            "(Python) (15.0% faster in part, interval 13.0% to 17.0%)",
        ),
        (
            words((A,), (B,), steps=[step(A, B, C), step(A, change=0.265, low=0.26, high=0.27), step(B)]),
            "slow only together: brake (Python) (26.5% faster, interval 26.0% to 27.0%); clutch (Python) (30.0% "
            "faster, interval 28.0% to 32.0%); with that of bench:1 for any of them the speed comes back",
        ),
        (
            words(finding="same"),
            "none of those that could be swapped: with brake (Python), clutch (Python) and libhorn1 (Debian) swapped "
            "the speed does not come back",
        ),
        (words(kept=(), finding="unknown"), "nothing could be swapped: the question stays open"),
        (words(finding="unknown"), "the question stays open: there is no verdict on a probe that it hangs on"),
        (
            words((A,), steps=[step(A)], kept=(A,), unusable=(C,), left_out=["interpreter:python"]),
            "it is brake (Python) (30.0% faster, interval 28.0% to 32.0%): with that of bench:1 alone the speed "
            "comes back; libhorn1 (Debian) could not be swapped: the image does not run so; Python itself could not be "
            "swapped at all (the reasons are in the log)",
        ),
    ],
)
def test_the_answer_is_said_in_full(said: str, expected: str):
    assert said == expected


def lost(*swapped: str, change: float = -0.3, low: float = -0.32, high: float = -0.28) -> BlameStep:
    return step(*swapped, finding="slower", change=change, low=low, high=high)


@pytest.mark.parametrize(
    ("groups", "steps", "expected"),
    [
        (
            ((A,),), [lost(A, B, C), lost(A)],
            "it is brake (Python) (30.0% slower, interval 28.0% to 32.0%): with that of bench:1 alone the gain is "
            "lost, and without it nothing that was swapped takes it away",
        ),
        (
            ((A, B),), [lost(A, B, C), lost(A, B)],
            "only together: brake (Python) and clutch (Python) (30.0% slower, interval 28.0% to 32.0%); with those "
            "of bench:1 the gain is lost, with fewer of them it is not",
        ),
        (
            ((A,), (B,)), [lost(A, B, C), lost(A, change=-0.15, low=-0.17, high=-0.13), lost(B)],
            "each has a part in it: brake (Python) (15.0% slower in part, interval 13.0% to 17.0%); clutch (Python) "
            "(30.0% slower, interval 28.0% to 32.0%)",
        ),
        (
            (), [],
            "none of those that could be swapped: with brake (Python), clutch (Python) and libhorn1 (Debian) swapped "
            "the gain is not lost",
        ),
    ],
)  # fmt: skip
def test_what_made_it_faster_is_said_in_full(groups: tuple[Group, ...], steps: list[BlameStep], expected: str):
    answer = Answer(groups=groups, kept=(A, B, C), is_all=True, finding="slower" if groups else "same")
    assert answer_words(answer, steps, {}, "bench:1", MARGIN, "improvement") == expected


def test_what_launches_did_not_load_is_said_to_be_neither_named_nor_cleared():
    missed = replace(step(A, C, finding="unknown"), not_loaded={C: "nothing of it was loaded"})
    said = words((A,), steps=[missed, step(A)], kept=(A,))
    assert said.endswith("; libhorn1 (Debian) could not be swapped: launches did not load what took the place")


def test_of_two_that_run_only_together_it_is_said_that_neither_was_tried_alone():
    said = words((A, B), steps=[step(A, B), step(A, finding="failed"), step(B, finding="failed")])
    assert said.endswith("brake (Python) and clutch (Python) could not be tried alone: the image does not run so")


def test_what_lacks_a_verdict_is_said_to_be_open():
    said = words((A,), steps=[step(A)], finding="unknown", is_all=False)
    assert said.endswith("what else takes part stays open, for lack of a verdict")


def test_probes_and_launches_are_told_as_ranges():
    effort = Effort(nothing=1, one=(5, 6), two=(5, 10))
    assert effort_words(effort, 5, (6, 198)) == (
        "5 components can be swapped: 1 probe if none is to blame, 5 to 6 if one is, 5 to 10 if two take part. A probe "
        "takes 6 to 198 launches, so 6 to 1980 in all, after a few trials of one short launch; more where a probe "
        "gets no verdict"
    )
    single = Effort(nothing=1, one=(1, 1), two=(1, 1))
    assert "1 component can be swapped: 1 probe if none is to blame, 1 if one is. " in effort_words(single, 1, (6, 99))
