"""What stands at the end of a self-test: what a failed plant means for this installation."""

from dataclasses import replace

import pytest

from ssdbench.report.selftest import endings
from ssdbench.schema.selftest import Demand, Found, PlantResult, SelfTest, SmallestChange, Way
from ssdbench.schema.verdict import Status

DO_NOT_RELY = "do not rely on verdicts of this installation"


def plant(status: Status, way: Way = "processes") -> PlantResult:
    return PlantResult(
        name="a-a", subject="train", fault="none", way=way, problems=("the verdict is another",),
        demand=Demand(statuses=(Status.UNCHANGED,), exit_codes=(0,), validity="valid"),
        found=Found(status=status, exit_code=5, validity="valid", said=""),
    )  # fmt: skip


def ending(*plants: PlantResult, smallest: float = 0.213) -> str:
    change = SmallestChange(
        case_key="k", title="train resnet18", metric="throughput", pairs=6, measured=smallest, pairs_in_budget=15,
        in_budget=0.1,
    )  # fmt: skip
    test = SelfTest(
        schema_version=4, quick=False, margin=0.1, hardware_key="cpu", exit_code=11, seconds=60.0, plants=plants,
        smallest_changes=(change,),
    )  # fmt: skip
    return list(endings(test))[-1]


def test_launches_that_differ_too_much_are_told_from_a_broken_rule():
    assert ending(plant(Status.INCONCLUSIVE)) == (
        "SELF-TEST FAILED: train · a-a; launches of train resnet18 differ too much on this machine for a margin of "
        "10%: let nothing else run on it, or repeat with --margin 0.25"
    )


def test_no_margin_is_advised_that_is_none():
    assert ending(plant(Status.INCONCLUSIVE), smallest=1.2).endswith("let nothing else run on it")


@pytest.mark.parametrize(
    ("plants", "smallest"),
    [
        ((plant(Status.REGRESSED),), 0.213),  # a false alarm is no noise
        ((plant(Status.INCONCLUSIVE), plant(Status.REGRESSED)), 0.213),
        ((plant(Status.INCONCLUSIVE, way="altered records"),), 0.213),  # these have no noise
        ((plant(Status.INCONCLUSIVE),), 0.09),  # the machine is quiet enough
        ((replace(plant(Status.INCONCLUSIVE), found=None),), 0.213),
    ],
)
def test_anything_else_that_was_not_seen_says_not_to_rely_on_it(plants: tuple[PlantResult, ...], smallest: float):
    assert ending(*plants, smallest=smallest).endswith(DO_NOT_RELY)
