"""The simulator of docs/convergence.md on few studies: the goals of the rule held loosely."""

from pathlib import Path

from benchmarks.convergence import FINAL_SDS, answers, gate_looks
from benchmarks.verdicts.__main__ import replaced
from ssdbench.schema.verdict import Status

STUDIES = 200


def share(many: int, few: int, drop: float, status: Status) -> float:
    return answers(many, few, drop, FINAL_SDS["final"], STUDIES).count(status) / STUDIES


def test_seeds_of_one_recipe_are_unchanged_and_drops_of_the_margin_are_found():
    assert share(15, 1, 0.0, Status.UNCHANGED) > 0.9
    assert share(15, 1, 0.0, Status.REGRESSED) < 0.03
    assert share(15, 1, 0.02, Status.REGRESSED) > 0.93
    assert share(15, 5, 0.01, Status.REGRESSED) > 0.93


def test_few_seeds_find_less_and_alarm_no_more():
    assert share(5, 1, 0.02, Status.REGRESSED) < share(15, 1, 0.02, Status.REGRESSED)
    assert share(5, 1, 0.0, Status.REGRESSED) < 0.03


def test_the_gate_finds_gross_drops_alone():
    assert gate_looks(0.0, STUDIES)[-1] <= 1
    assert gate_looks(0.2, STUDIES)[-1] > 0.98 * STUDIES
    assert gate_looks(0.05, STUDIES)[-1] < 0.4 * STUDIES


def test_the_page_has_a_place_for_every_table():
    page = (Path(__file__).parents[2] / "docs" / "convergence.md").read_text(encoding="utf-8")
    for name in (*FINAL_SDS, "gate"):
        assert replaced(page, name, "x")
