"""Trainings judged from the command line, on stores made by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode, StoreError
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.files import FileArchive, FileStore
from ssdbench.schema.training import Training
from tests.cli.running import Outcome, keep
from tests.cli.running import ssdbench as command
from tests.trainings import a_distribution, a_seed_record, a_training, a_training_run, some_seeds


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a distribution of ten seeds, accepted from a run."""
    keep(tmp_path, a_training_run(some_seeds(), run_id="seeds"))
    done = accept(tmp_path, "seeds")
    assert done.code == 0, done.err
    return tmp_path


def ssdbench(results: Path, *arguments: str) -> Outcome:
    return command("converge", *arguments, "--results", results, columns=160)


def accept(results: Path, *runs: str, reason: str = "first seeds") -> Outcome:
    return ssdbench(results, "accept", *runs, "--name", "main", "--reason", reason)


def check(results: Path, trainings: Sequence[Training | None], *more: str) -> Outcome:
    keep(results, a_training_run(trainings, run_id="checked", created_at="2026-02-05T12:00:00+00:00"))
    return ssdbench(results, "check", "latest", "--baseline", "main", *more)


@pytest.mark.parametrize(
    ("training", "code", "words"),
    [
        (a_training(99, 0.2505), ExitCode.OK, "UNCHANGED"),
        (a_training(99, 0.24), ExitCode.REGRESSED, "REGRESSED"),
        (a_training(99, 0.27), ExitCode.OK, "too good to be the noise of seeds"),
        (a_training(99, 0.2475), ExitCode.INCONCLUSIVE, "1 more candidate seed would decide it"),
        (a_training(99, epochs_done=7), ExitCode.CASE_FAILED, "7 of 10 epochs"),
        (None, ExitCode.CASE_FAILED, "launch 0: the worker ended with exit code 9"),
        (a_training(99, workload_version=2), ExitCode.NOT_COVERED, "workload version 1 -> 2"),
    ],
)
def test_each_verdict_has_its_exit_code_and_its_words(
    results: Path, training: Training | None, code: ExitCode, words: str
) -> None:
    done = check(results, [training])
    assert done.code == code, done.out + done.err
    assert words in done.words
    assert (results / "training" / "checked" / "curves.svg").read_bytes().startswith(b"<?xml")


def test_the_margin_that_matters_can_be_given(results: Path) -> None:
    done = check(results, [a_training(99, 0.24)], "--margin", "0.1")
    assert (done.code, "the whole interval is within the margin of 10%" in done.words) == (ExitCode.OK, True)
    wrong = ssdbench(results, "check", "latest", "--baseline", "main", "--margin", "0")
    assert (wrong.code, "margin_one_seed = 0 is not" in wrong.err) == (ExitCode.USAGE, True)


def test_a_seed_that_was_not_run_is_no_pass(results: Path) -> None:
    run = a_training_run([a_training(99), a_training(98)], run_id="half", created_at="2026-02-05T12:00:00+00:00")
    keep(results, replace(run, records=run.records[:1]))
    done = ssdbench(results, "check", "half", "--baseline", "main")
    assert (done.code, "launch 1: it was not run" in done.words) == (ExitCode.CASE_FAILED, True)


def test_the_last_attempt_of_a_seed_counts(results: Path) -> None:
    run = a_training_run([None], run_id="again", created_at="2026-02-05T12:00:00+00:00")
    case = run.records[0].case
    second = replace(a_seed_record(a_training(99), 0, run_id="again"), case=case, replacement=1, id="second")
    keep(results, replace(run, records=(*run.records, second)))
    assert ssdbench(results, "check", "again", "--baseline", "main").code == ExitCode.OK


def test_json_is_one_line_that_the_schema_names(results: Path) -> None:
    done = check(results, [a_training(99, 0.24)], "--json")
    verdict = json.loads(done.out)
    assert (verdict["status"], verdict["epoch"], verdict["baseline_seeds"]) == ("regressed", None, 10)
    assert verdict["low"] < verdict["change"] < verdict["high"] < 0


def test_the_early_gate_stops_and_never_passes(results: Path) -> None:
    stopped = check(results, [a_training(99, 0.15, epochs_done=4)], "--epoch", "3")
    assert (stopped.code, "stop it" in stopped.words) == (ExitCode.REGRESSED, True)
    assert "is found with 80%" in stopped.words
    own = ssdbench(results, "check", "seeds", "--baseline", "main", "--epoch", "3")
    assert (own.code, "never passes" in own.words) == (ExitCode.INCONCLUSIVE, True)


def test_an_unknown_baseline_is_not_covered(results: Path) -> None:
    done = ssdbench(results, "check", "seeds", "--baseline", "other")
    assert (done.code, "there are: main" in done.err) == (ExitCode.NOT_COVERED, True)


@pytest.mark.parametrize(
    ("trainings", "words"),
    [
        (some_seeds(4), "4 seeds are no distribution: 5 are the least"),
        ([*some_seeds(9), None], "launch 9: the worker ended"),
        ([*some_seeds(9), a_training(10, epochs_done=3)], "seed 10: 3 of 10 epochs"),
        ([*some_seeds(9), a_training(1, 0.26)], "seed 1 occurs 2 times"),
        ([a_training(seed) for seed in range(5)], "the seed has no effect"),
        ([*some_seeds(9), a_training(10, workload_version=2)], "workload version 1 -> 2"),
        ([*some_seeds(9), a_training(10, curve={3: 0.0, 5: 0.0, 8: 0.0, 9: 0.0})], "it learned nothing"),
    ],
)
def test_what_is_no_distribution_is_not_accepted(tmp_path: Path, trainings: list[Training | None], words: str) -> None:
    keep(tmp_path, a_training_run(trainings))
    done = accept(tmp_path, "latest")
    assert (done.code, words in done.err) == (ExitCode.USAGE, True), done.err
    assert not (tmp_path / "convergence").exists()


def test_an_acceptance_needs_a_reason_and_shows_what_it_replaces(results: Path) -> None:
    assert accept(results, "seeds", reason=" ").code == ExitCode.USAGE
    keep(results, a_training_run(some_seeds(12, ap=0.255), run_id="better"))
    done = accept(results, "better", reason="newer recipe")
    assert (done.code, "replaces:" in done.out, "mean +1.88%" in done.words) == (0, True, True)
    assert DistributionStore(FileArchive(results)).load("main").header.seeds == 12


def test_distributions_are_listed_and_shown(results: Path) -> None:
    assert "first seeds" in ssdbench(results, "list").words
    assert "because: first seeds" in ssdbench(results, "show", "main").words
    assert ssdbench(results, "show", "other").code == ExitCode.USAGE
    assert command("converge", "list", "--results", results / "none").code == ExitCode.USAGE


def test_the_stability_table_is_that_of_the_published_layout(results: Path) -> None:
    for source in ("main", "seeds"):
        words = ssdbench(results, "table", source).words
        assert "average mAP standard deviation minimum maximum median" in words
        assert "amp 10 0.25000 0.00112" in words
    keep(results, a_training_run([a_training(), None], run_id="broken"))
    assert ssdbench(results, "table", "broken").code == ExitCode.USAGE


def test_the_published_accuracies_are_shown_with_their_faults(tmp_path: Path) -> None:
    done = ssdbench(tmp_path, "published")
    assert "for reference; no run is judged" in done.words
    assert "22.10 A100-80GB tf32, refused: mean and median lie 0.00214 apart" in done.words


def test_a_run_without_trainings_is_one_sentence(tmp_path: Path) -> None:
    from tests.builders import a_run

    keep(tmp_path, a_run())
    done = ssdbench(tmp_path, "table", "latest")
    assert (done.code, "holds no accuracy case" in done.err) == (ExitCode.USAGE, True)


def test_a_distribution_reads_back_equal_and_is_written_the_same_again(tmp_path: Path) -> None:
    store, distribution = DistributionStore(FileArchive(tmp_path)), a_distribution()
    path = Path(store.save(distribution))
    before = path.read_bytes()
    assert store.load("main") == distribution
    store.save(replace(distribution, seeds=distribution.seeds[::-1]))
    assert path.read_bytes() == before
    assert before.count(b"\n") == 11


def test_a_distribution_that_lost_a_line_or_was_changed_is_refused(tmp_path: Path) -> None:
    store = DistributionStore(FileArchive(tmp_path))
    path = Path(store.save(a_distribution()))
    whole = path.read_bytes()
    path.write_bytes(b"\n".join(whole.splitlines()[:-1]) + b"\n")
    with pytest.raises(StoreError, match="9 whole seeds where its header counts 10"):
        store.load("main")
    path.write_bytes(whole.replace(b'"seed":3', b'"sead":3'))
    with pytest.raises(StoreError, match="line 4: "):
        store.load("main")
    with pytest.raises(StoreError, match="is no file name"):
        store.load("../main")


def test_a_run_with_trainings_reads_back_equal(tmp_path: Path) -> None:
    run = a_training_run([a_training(), None])
    keep(tmp_path, run)
    assert FileStore(tmp_path).load("latest").records == run.records
