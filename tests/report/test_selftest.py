"""What stands at the end of a self-test: what each plant means for this installation and this machine."""

from collections.abc import Mapping

from ssdbench.errors import ExitCode
from ssdbench.report.selftest import endings, line_of, word_of
from ssdbench.schema.selftest import OUT_OF_TIME, Demand, Found, PlantResult, SelfTest
from ssdbench.schema.verdict import Status

TOO_RESTLESS = "launches differ too much on this machine for a margin of 50%: a change under 61% can go unnoticed"


def plant(name: str = "a-a", status: Status = Status.UNCHANGED, not_planted: str = "", **more: bool) -> PlantResult:
    found = Found(status=status, exit_code=0, validity="valid", said="")
    return PlantResult(
        name=name, subject="train", fault="none", way="processes", not_planted=not_planted,
        demand=Demand(statuses=(Status.UNCHANGED,), exit_codes=(0,), validity="valid"),
        found=None if not_planted else found, **more,
        problems=() if not_planted or status is Status.UNCHANGED else ("the verdict is another",),
    )  # fmt: skip


def ending(*plants: PlantResult, code: ExitCode, margins: Mapping[str, float] | None = None) -> list[str]:
    test = SelfTest(
        schema_version=4, quick=False, margin=0.1, hardware_key="cpu", exit_code=code, seconds=60.0, plants=plants,
        margins=margins or {},
    )  # fmt: skip
    return list(endings(test))


def test_a_plant_that_was_not_seen_forbids_to_rely_on_verdicts_whatever_the_others_are():
    plants = (plant("a-a"), plant("step", Status.INCONCLUSIVE), plant("input", not_planted=OUT_OF_TIME, undecided=True))
    assert ending(*plants, code=ExitCode.SELF_TEST)[-1] == (
        "SELF-TEST FAILED: train · step; do not rely on verdicts of this installation"
    )


def test_what_is_undecided_says_what_to_do_about_each_reason():
    plants = (
        plant("a-a", not_planted=TOO_RESTLESS, undecided=True),
        plant("step", not_planted=OUT_OF_TIME, undecided=True),
        plant("one-rank", not_planted="this machine has one GPU"),
    )
    assert ending(*plants, code=ExitCode.INCONCLUSIVE) == [
        "0 of 3 plants seen as they have to be, in 60 s",
        "not planted: train · one-rank",
        "undecided: train · a-a, train · step",
        "SELF-TEST INCOMPLETE: the budget is used up: give more with --budget; launches differ too much here: let "
        "nothing else run on the machine, or give a larger --margin",
    ]
    assert [word_of(result) for result in plants] == ["undecided", "undecided", "left out"]
    assert line_of(plants[0]) == f"train · a-a (processes: none): {TOO_RESTLESS}"
    assert line_of(plants[2]) == "train · one-rank (processes: none): not planted, this machine has one GPU"


def test_a_margin_that_gave_way_is_named():
    assert ending(plant(), code=ExitCode.OK, margins={"pace": 0.1, "train": 0.3}) == [
        "train: launches differ too much for a margin of 10%; its plants were made for 30%",
        "1 of 1 plant seen as they have to be, in 60 s",
        "SELF-TEST PASSED",
    ]
