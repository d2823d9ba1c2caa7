from dataclasses import replace
from typing import cast

import pytest

from ssdbench.analysis.convergence.judge import judge
from ssdbench.analysis.convergence.seeds import candidates_of
from ssdbench.analysis.reports.accuracy import accuracy_report
from ssdbench.errors import UsageError
from ssdbench.schema.report import SeedRow
from ssdbench.schema.verdict import Status
from tests.builders import HOST, SOFTWARE, a_run
from tests.trainings import a_distribution, a_training, a_training_run, some_seeds


def test_a_row_has_the_figures_of_its_seed():
    # 10 epochs of 1 s and 64 images, four evaluations of half a second.
    seed = a_training(7, 0.25)
    results = tuple(replace(r, evaluation_seconds=0.5 if r.evaluation else 0.0) for r in seed.results)
    (row,) = accuracy_report(a_training_run([replace(seed, results=results)]), None).seeds
    assert row == SeedRow(
        name="seed 7", outcome="finished", is_sound=True, epochs=10, ap=0.25, ap_50=0.25, seconds=12.0,
        evaluation_share=cast(float, pytest.approx(2 / 12)), images_per_second=64.0, curve=0,
    )  # fmt: skip


def test_seeds_that_did_not_end_well_say_why_and_keep_what_they_came_to():
    run = a_training_run([a_training(1), a_training(2, epochs_done=4), None, a_training(4, starts=3)])
    said = accuracy_report(replace(run, torn=True), None)
    assert [(row.name, row.is_sound, row.epochs, row.curve) for row in said.seeds] == [
        ("seed 1", True, 10, 0), ("seed 2", False, 4, 1), ("launch 2", False, 0, None), ("seed 4", True, 10, 2)
    ]  # fmt: skip
    assert said.seeds[1].ap == 0.15, "that of its last evaluation"
    assert said.seeds[3].outcome == "finished, resumed (3 starts)"
    assert [(gap.title, gap.what) for gap in said.gaps] == [
        ("seed 2", "not finished"), ("launch 2", "not trained"), ("run-1", "launch lost")
    ]  # fmt: skip
    assert said.gaps[0].why == "4 of 10 epochs are there, so it did not finish"


def test_the_verdict_is_that_of_converge_check():
    run, distribution = a_training_run([a_training(99, 0.24)]), a_distribution()
    said = accuracy_report(run, distribution)
    assert said.verdict == judge(candidates_of(run), distribution)
    assert said.verdict.status is Status.REGRESSED
    assert said.reference.startswith("distribution main, accepted 2026-01-05 (first seeds): 10 seeds")
    assert accuracy_report(run, None).verdict is None


def test_what_else_changed_is_of_recipe_software_and_host():
    there = [replace(seed, software=SOFTWARE) for seed in some_seeds()]
    here = a_training(99, workload_version=2, software=replace(SOFTWARE, torch="99.0"))
    run = a_training_run([here], host=replace(HOST, driver="580.95"))
    said = accuracy_report(run, a_distribution(there))
    found = {item.name: (item.baseline, item.candidate) for item in said.differences}
    assert found["workload version"] == ("1", "2")
    assert found["torch"] == (SOFTWARE.torch, "99.0")
    assert found["driver"] == ("-", "580.95")
    assert ("torch", "99.0") in said.software


def test_a_run_without_trainings_is_refused():
    with pytest.raises(UsageError, match="holds no accuracy case"):
        accuracy_report(a_run(), None)
