"""The scripts that all CI templates run: in a git repository of their own, with the real command."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.resources import resource
from tests.builders import a_case, a_run
from tests.cli.running import accept, keep, path_with_ssdbench, the_baseline
from tests.paced import write_paced
from tests.receiver import Receiver

CI = resource("ci")
ROOT = Path(__file__).parents[1]
A, SLOWER = a_case(), (0.125, 0.1251, 0.1249)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git repository that keeps results."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, checkout: Path) -> Run:
    """Run a command in the checkout, with this version's `ssdbench` on the PATH."""
    environment = {
        **os.environ,
        "PATH": path_with_ssdbench(tmp_path),
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **{f"GIT_{who}_{what}": "ci@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def run(*words: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        settings = environment | variables
        return subprocess.run(words, cwd=checkout, env=settings, capture_output=True, text=True, check=False)

    run("git", "init", "--quiet", "--initial-branch=main")
    run("git", "commit", "--quiet", "--allow-empty", "--message", "begin")
    return run


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


def branch(run: Run) -> str:
    return run("git", "branch", "--show-current").stdout.strip()


def with_two_runs(checkout: Path, run: Run) -> None:
    """The first of them is the baseline, in git; the second is slower."""
    keep(checkout / "results", a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(checkout / "results", "first", reason="container 25.01")
    run("git", "add", "results/baselines")
    run("git", "commit", "--quiet", "--message", "the first baseline")


def test_a_proposal_is_a_commit_that_says_why_and_old_and_new(checkout: Path, run: Run):
    with_two_runs(checkout, run)
    options = {"SSDBENCH_ACCEPT_OPTIONS": "--release --allow-regression"}
    outcome = run(CI / "propose-baseline.sh", "second", "see issue 12", **options)
    assert outcome.returncode == ExitCode.OK, outcome.stderr
    assert branch(run).startswith("baseline/")
    message = run("git", "log", "-1", "--format=%B").stdout
    assert message.startswith("baseline: see issue 12\n\n## Baseline main of cpu-2x-example\n")
    assert "| 20.0 images/s | 16.0 images/s | -20.0% " in message
    changed = run("git", "show", "--name-only", "--format=").stdout.split()
    assert {Path(name).name for name in changed} == {"main.jsonl", "main.release.jsonl", "main.release.anchor.jsonl"}
    assert run("git", "status", "--porcelain").stdout == "?? results/records/\n"  # the records are not its business


def test_five_sessions_of_one_build_come_together(checkout: Path, run: Run):
    ids = [f"session-{number}" for number in range(5)]
    days = [f"2026-02-0{number + 1}T12:00:00+00:00" for number in range(5)]
    keep(checkout / "results", *(a_run(run_id=name, created_at=day) for name, day in zip(ids, days, strict=True)))
    (checkout / "results" / "run-id.txt").write_text("".join(f"{name}\n" for name in ids))
    outcome = run(CI / "propose-baseline.sh", "", "the first five sessions")
    assert outcome.returncode == ExitCode.OK, outcome.stderr
    assert the_baseline(checkout / "results").header.sessions == tuple(ids)


def test_a_proposal_that_is_refused_or_changes_nothing_leaves_no_branch(checkout: Path, run: Run):
    with_two_runs(checkout, run)
    refused = run(CI / "propose-baseline.sh", "second", "nobody looked")
    assert refused.returncode == ExitCode.USAGE
    assert "makes train-resnet18" in refused.stderr
    same = run(CI / "propose-baseline.sh", "first", "container 25.01")
    assert same.returncode == ExitCode.OK
    assert "nothing to review" in same.stderr
    assert branch(run) == "main"
    assert run("git", "status", "--porcelain").stdout == "?? results/records/\n"


@pytest.mark.long
def test_a_run_of_a_database_is_proposed_as_a_file_and_merged_into_the_database_by_the_next_night(
    checkout: Path, run: Run, tmp_path: Path
):
    with_two_runs(checkout, run)
    store = {"SSDBENCH_STORE": f"sqlite:///{tmp_path / 'team.db'}"}
    keep(tmp_path / "fleet", a_run((A, (0.1, 0.1001, 0.0999)), run_id="third", created_at="2026-02-01T12:00:00+00:00"))
    assert run("ssdbench", "store", "sync", str(tmp_path / "fleet"), "env:SSDBENCH_STORE", **store).returncode == 0
    proposed = run(CI / "propose-baseline.sh", "latest", "the fleet's figures", **store)
    assert proposed.returncode == ExitCode.OK, proposed.stderr
    assert the_baseline(checkout / "results").header.run_id == "third"
    assert "no baseline yet" in run("ssdbench", "baseline", "list", **store).stderr
    run("git", "switch", "--quiet", "main")
    run("git", "merge", "--quiet", "--ff-only", "-")
    nightly = run(CI / "nightly.sh", SSDBENCH_SUITE="no-such-suite", **store)
    assert nightly.returncode == ExitCode.USAGE
    assert "third" in run("ssdbench", "baseline", "show", **store).stdout


def test_a_night_begins_also_while_its_database_is_out_of_reach(checkout: Path, run: Run):
    with_two_runs(checkout, run)
    outcome = run(CI / "nightly.sh", SSDBENCH_SUITE="no-such-suite", SSDBENCH_STORE="postgresql://x@127.0.0.1:1/none")
    assert outcome.returncode == ExitCode.USAGE
    assert "there is no suite 'no-such-suite'" in outcome.stderr


def test_a_night_that_could_not_be_measured_is_not_compared(run: Run):
    outcome = run(CI / "nightly.sh", SSDBENCH_SUITE="no-such-suite")
    assert outcome.returncode == ExitCode.USAGE
    assert outcome.stderr.startswith("ssdbench: there is no suite 'no-such-suite'")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_night_with_a_failed_case_is_compared_and_told_and_ends_with_the_answer(
    checkout: Path, run: Run, receiver: Receiver
):
    write_paced(checkout)
    suite = checkout / "paced.toml"
    suite.write_text(suite.read_text().replace("launches = 1", "launches = 1\ntimeout_seconds = 0.5"))
    told = {"SSDBENCH_SUITE": "paced.toml", "SSDBENCH_NOTIFY": receiver.url}
    outcome = run(CI / "nightly.sh", "--output", "line=line.txt", **told)
    assert outcome.returncode == ExitCode.CASE_FAILED, outcome.stderr
    assert "1 of 1 case" in (checkout / "line.txt").read_text(encoding="utf-8")
    assert "Failed:" in (checkout / "report.html").read_text(encoding="utf-8")
    assert not (checkout / "site").exists(), "nothing was measured"
    assert [message["title"].partition(" on ")[0] for message in receiver.messages] == ["ssdbench: 1 failed"]
    receiver.status = 500
    keep(checkout / "results", a_run(run_id="first"))
    again = run(CI / "nightly.sh", **told)
    assert again.returncode == ExitCode.CASE_FAILED, again.stderr
    assert (checkout / "site" / "index.html").is_file()
