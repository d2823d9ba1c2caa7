"""Seeds of two images in turns: legs, looks, kills and verdicts, with launchers that write made-up curves."""

from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.convergence.arms import baseline_distribution
from ssdbench.errors import UsageError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.convergence import ConvergenceSettings
from ssdbench.schema.record import Arm
from ssdbench.schema.verdict import Status
from ssdbench.workflows.container_training import train_images
from ssdbench.workflows.display import Quiet
from ssdbench.workflows.reporting import build_accuracy_report
from ssdbench.workflows.seeds import setup_to_resume
from tests.trainings import VALIDATIONS
from tests.workflows.image_trainings import EVERYTHING, OLD, SEEDS, Killed, curve


def test_seeds_of_two_equal_images_take_turns_from_evaluation_to_evaluation_and_are_unchanged(bench: Any) -> None:
    here = bench()
    run, verdict = here.train()
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert (verdict.baseline, verdict.baseline_seeds, verdict.candidate_seeds) == (OLD.reference, SEEDS, SEEDS)
    assert not [finding for finding in verdict.findings if "resumed" in finding]
    assert sorted(here.trained()) == EVERYTHING
    # All come to an evaluation before any goes on, and the images take turns: A B B A.
    legs = [(-1, *VALIDATIONS)[n : n + 2] for n in range(len(VALIDATIONS))]
    place = 0
    for after, until in legs:
        length = (until - after) * 2 * SEEDS
        part = here.trained()[place : place + length]
        assert {epoch for _, _, epoch in part} == set(range(after + 1, until + 1))
        arms = [arm for arm, _, epoch in part if epoch == until]
        assert arms[:4] in (
            ["baseline", "candidate", "candidate", "baseline"],
            ["candidate", "baseline", "baseline", "candidate"],
        )
        place += length
    assert run == here.store.load("latest")
    assert baseline_distribution(run) is not None
    folders = {path.name for path in (here.folder / "training" / run.header.run_id).iterdir()}
    assert len(folders) == 2 * SEEDS


def test_a_broken_image_is_stopped_at_the_first_evaluation_and_not_taken_up_again(bench: Any) -> None:
    here = bench(candidate=curve(0.1))
    run, verdict = here.train()
    assert verdict.status is Status.REGRESSED
    assert verdict.epoch == VALIDATIONS[0]
    assert max(epoch for _, _, epoch in here.trained()) == VALIDATIONS[0]
    report = build_accuracy_report(here.store, here.folder, run, None)
    assert report.verdict == verdict
    again = bench(candidate=curve(0.1))
    same, later = again.train(resume=True)
    assert (same.header.run_id, later, again.trained()) == (run.header.run_id, verdict, [])


def test_a_loss_that_only_the_end_shows_is_found_at_the_end(bench: Any) -> None:
    here = bench(candidate=curve(late=0.96))
    run, verdict = here.train()
    assert verdict.status is Status.REGRESSED
    assert verdict.epoch is None
    assert sorted(here.trained()) == EVERYTHING
    assert build_accuracy_report(here.store, here.folder, run, None).verdict == verdict


def test_two_equal_images_are_not_stopped_early_however_their_seeds_scatter(bench: Any) -> None:
    _, verdict = bench(baseline=curve(spread=0.05), candidate=curve(spread=0.05)).train()
    assert verdict.epoch is None
    assert verdict.status is not Status.REGRESSED


@pytest.mark.parametrize("moment", [("candidate", 1, 0), ("candidate", 2, 2), ("baseline", 4, 5), ("candidate", 5, 9)])
def test_a_killed_host_loses_nothing_and_repeats_nothing(bench: Any, moment: tuple[Arm, int, int]) -> None:
    arm, seed, epoch = moment
    first = bench()
    first.images[arm].dies_before = (seed, epoch)
    with pytest.raises(Killed):
        first.train()
    second = bench()
    run, verdict = second.train(resume=True)
    assert sorted(first.trained() + second.trained()) == EVERYTHING
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert len(second.store.headers()) == 1
    # Where nothing was left to train in a leg, no process was started for it.
    records = {(record.arm, record.launch, record.replacement) for record in run.records}
    assert len(records) == len(run.records)


def test_a_kill_between_an_epoch_and_its_record_starts_nothing_twice(bench: Any, monkeypatch: Any) -> None:
    first = bench()
    kept: list[Any] = []

    def append(self: FileStore, record: Any) -> bool:
        if len(kept) == 3:
            raise Killed
        kept.append(record)
        return original(self, record)

    original = FileStore.append
    monkeypatch.setattr(FileStore, "append", append)
    with pytest.raises(Killed):
        first.train()
    monkeypatch.setattr(FileStore, "append", original)
    second = bench()
    second.train(resume=True)
    assert sorted(first.trained() + second.trained()) == EVERYTHING
    # The seed that had come to its evaluation waits there for the others.
    others = (2 * SEEDS - 4) * (VALIDATIONS[0] + 1)
    assert {epoch for _, _, epoch in second.trained()[:others]} == set(range(VALIDATIONS[0] + 1))
    started = sum(image.launches for bench in (first, second) for image in bench.images.values())
    assert started == 2 * SEEDS * len(VALIDATIONS)


def test_a_seed_that_fails_ends_the_run_and_is_continued_when_it_is_resumed(bench: Any) -> None:
    first = bench()
    first.images["candidate"].fails_before = (2, 4)
    _, verdict = first.train()
    assert verdict.status is Status.FAILED
    assert "the candidate failed: seed 2: the worker ended with exit code 9" in verdict.sentence
    assert max(epoch for _, _, epoch in first.trained()) <= VALIDATIONS[1]
    second = bench()
    _, verdict = second.train(resume=True)
    assert verdict.status is Status.UNCHANGED, verdict.sentence
    assert sorted(first.trained() + second.trained()) == EVERYTHING


def test_more_seeds_are_added_to_a_run_that_is_resumed(bench: Any) -> None:
    first = bench()
    run, _ = first.train()
    second = bench()
    more, verdict = second.train(7, resume=True)
    assert more.header.run_id == run.header.run_id
    assert {seed for _, seed, _ in second.trained()} == {6, 7}
    assert (verdict.baseline_seeds, verdict.candidate_seeds) == (7, 7)


def test_what_is_asked_otherwise_is_another_run(bench: Any) -> None:
    first = bench()
    first.train()
    assert first.setup(resume=True).resumed is not None
    assert first.setup(resume=True, seed=2).resumed is None
    assert first.setup().resumed is None


def test_too_few_seeds_and_a_run_of_one_build_are_refused(bench: Any) -> None:
    here = bench()
    with pytest.raises(UsageError, match="--seeds 4 cannot give a verdict: 5 of each image are the least"):
        here.setup(4)
    run, _ = here.train()
    with pytest.raises(UsageError, match="continue it with `ssdbench containers converge OLD NEW --resume`"):
        setup_to_resume(here.store, run.header.run_id, None)


def test_a_run_that_is_not_finished_is_inconclusive(bench: Any) -> None:
    here = bench()
    setup = here.setup()
    _, verdict = train_images(here.store, setup, here.folder, Quiet(), ConvergenceSettings(), deadline_seconds=0.0)
    assert verdict.status is Status.INCONCLUSIVE
    assert "--resume continues" in verdict.sentence
    assert replace(verdict, sentence="").margin == 0.01
