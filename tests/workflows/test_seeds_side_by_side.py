"""Seeds of two images that train at the same time, with launchers that write made-up curves."""

import threading
from typing import Any

import pytest

from ssdbench.schema.verdict import Status
from ssdbench.workflows.display import NoObserver, Quiet
from ssdbench.workflows.reporting import build_accuracy_report
from tests.trainings import VALIDATIONS
from tests.workflows.image_trainings import EVERYTHING, SEEDS, curve


def test_seeds_train_side_by_side_and_their_times_are_no_speeds(bench: Any) -> None:
    here = bench()
    here.images["baseline"].meet = here.images["candidate"].meet = threading.Barrier(2)  # no launch is alone
    run, verdict = here.train(parallel=2)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(here.trained()) == EVERYTHING
    assert run == here.store.load("latest")
    assert {record.training.side_by_side for record in run.records if record.training} == {2}
    report = build_accuracy_report(here.store, here.folder, run, None)
    for seed in (*report.seeds, report.baseline):
        assert (seed.seconds, seed.images_per_second, seed.evaluation_share) == (None, None, None)
    assert {seed.outcome.partition(", ")[2].rpartition(", ")[2] for seed in report.seeds} == {"2 seeds at a time"}
    more, _ = bench().train(6, resume=True)  # one at a time; what was trained before it was not alone
    assert {record.training.side_by_side for record in more.records if record.training} == {2}
    alone, _ = bench().train()
    assert {record.training.side_by_side for record in alone.records if record.training} == {None}


def test_a_broken_image_is_found_while_seeds_run_and_these_are_stopped(bench: Any) -> None:
    here = bench(candidate=curve(0.1))
    here.images["candidate"].hangs = 3
    run, verdict = here.train(parallel=2 * SEEDS)
    assert (verdict.status, verdict.epoch) == (Status.REGRESSED, VALIDATIONS[0])
    assert here.images["candidate"].is_stopped
    assert {record.launch for record in run.records if record.arm == "baseline"} == set(range(SEEDS))
    assert 2 not in {record.launch for record in run.records if record.arm == "candidate"}
    again = bench(candidate=curve(0.1))
    assert (again.train(resume=True)[1], again.trained()) == (verdict, [])


def test_a_seed_that_fails_stops_those_beside_it(bench: Any) -> None:
    here = bench()
    here.images["candidate"].fails_before = (2, 1)
    here.images["baseline"].hangs = 3
    _, verdict = here.train(parallel=2 * SEEDS)
    assert verdict.status is Status.FAILED
    assert "the candidate failed: seed 2" in verdict.sentence


def test_an_interruption_stops_all_and_what_is_finished_is_kept(bench: Any) -> None:
    class Interrupts(NoObserver):
        def launch_finished(self, record: Any, name: str) -> None:
            raise KeyboardInterrupt

    first = bench()
    first.images["candidate"].hangs = 3
    with pytest.raises(KeyboardInterrupt):
        first.train(parallel=3, display=Quiet(Interrupts()))
    assert len(first.store.load("latest").records) == 1
    second = bench()
    _, verdict = second.train(resume=True, parallel=2)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(first.trained() + second.trained()) == EVERYTHING
