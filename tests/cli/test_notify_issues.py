"""`notify --issues`: one issue for each alert, through the real `gh` to a stand-in for GitHub on this machine."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.harness.alerts.issues import Tracker, TrackerError
from ssdbench.harness.stores.opening import open_archive
from ssdbench.harness.stores.store import Store
from tests.builders import a_case, a_failure, a_run, stored_sessions
from tests.cli.running import Outcome, keep, ssdbench
from tests.tracker import FakeGitHub

A, B = a_case(), a_case(batch_size_per_gpu=64)
SAME, SLOW, FAILS = (0.1, 0.1001, 0.0999), (0.11, 0.1101, 0.1099), (a_failure(message="@everyone fixes #1"),) * 3
needs_gh = pytest.mark.skipif(
    shutil.which("gh") is None or shutil.which("openssl") is None, reason="gh or openssl missing: apt-get install gh"
)


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    tracker = FakeGitHub(tmp_path / "tracker")
    for name, value in tracker.environment.items():
        monkeypatch.setenv(name, value)
    yield tracker
    tracker.stop()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    Store(open_archive(str(folder))).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0")))
    return folder


def after(results: Path, day: int, seconds: object, b: object = SAME) -> Outcome:
    run = a_run((A, seconds), (B, b), run_id=f"r{day}", created_at=f"2026-01-{day + 5:02}T01:00:00+00:00")  # type: ignore[arg-type]
    keep(results, run)
    return notify(results)


def notify(results: Path) -> Outcome:
    return ssdbench("notify", "latest", "--issues", "github", "--project", "o/r", "--results", results)


@needs_gh
def test_an_issue_follows_its_alert_and_people_are_told_of_news_alone(github: FakeGitHub, results: Path) -> None:
    states, comments = [], []
    for day, seconds in enumerate([SAME, SLOW, SLOW, FAILS, SAME, SAME, SLOW], start=1):
        done = after(results, day, seconds)
        assert done.code == 0, done.err
        states.append([issue["state"] for issue in github.issues.values()])
        comments.append(len(github.comments))
    assert states == [[], ["open"], ["open"], ["open"], ["closed"], ["closed"], ["open"]]
    assert comments == [0, 0, 0, 1, 2, 2, 3]
    body = github.issues[1]["body"]
    assert "**Times opened:** 2" in body
    assert "`r7`" in body
    assert "@everyone" not in github.comments[0][1]
    assert github.comments[1][1].startswith("Recovered in run `r5`: unchanged")
    assert github.tokens == {"token hush-token"}


@needs_gh
def test_an_issue_is_found_again_when_the_state_was_lost(github: FakeGitHub, results: Path) -> None:
    after(results, 1, SLOW)
    shutil.rmtree(results / "alerts")
    assert notify(results).code == 0
    assert notify(results).code == 0
    assert len(github.issues) == 1
    assert not github.comments


@needs_gh
def test_what_a_tracker_refuses_is_written_by_the_next_call(github: FakeGitHub, results: Path) -> None:
    github.refuses = True
    done = after(results, 1, SLOW)
    assert done.code == 8
    assert "gh failed" in done.err
    assert "hush" not in done.err
    github.refuses = False
    assert notify(results).code == 0
    assert [issue["state"] for issue in github.issues.values()] == ["open"]


@needs_gh
@pytest.mark.parametrize(("then", "states"), [(SLOW, ["open"]), (SAME, ["closed"])])
def test_an_issue_whose_opening_got_no_answer_is_found_also_if_its_case_has_recovered(
    github: FakeGitHub, results: Path, then: object, states: list[str]
) -> None:
    github.lost = {"POST"}
    assert after(results, 1, SLOW).code == 8
    assert [issue["state"] for issue in github.issues.values()] == ["open"]
    github.lost = set()
    assert after(results, 2, then).code == 0
    assert [issue["state"] for issue in github.issues.values()] == states
    assert "`r2`" in github.issues[1]["body"]
    assert len(github.comments) == states.count("closed")


@needs_gh
def test_a_comment_is_not_written_again_because_the_text_was_refused(github: FakeGitHub, results: Path) -> None:
    after(results, 1, SLOW)
    github.lost = {"PATCH"}
    assert [after(results, day, FAILS).code for day in (2, 3)] == [8, 8]
    github.lost = set()
    assert notify(results).code == 0
    assert notify(results).code == 0
    assert [number for number, _ in github.comments] == [1]


@needs_gh
def test_an_issue_opens_again_also_if_its_closing_got_no_answer(github: FakeGitHub, results: Path) -> None:
    after(results, 1, SLOW)
    github.lost = {"PATCH"}
    assert after(results, 2, SAME).code == 8
    assert github.issues[1]["state"] == "closed"
    github.lost = set()
    assert after(results, 3, SLOW).code == 0
    assert github.issues[1]["state"] == "open"
    github.issues[1]["state"] = "closed"  # by people
    assert after(results, 4, SLOW).code == 0
    assert github.issues[1]["state"] == "closed"


@needs_gh
def test_an_issue_that_was_deleted_holds_up_no_other_and_is_opened_anew_while_its_case_is_bad(
    github: FakeGitHub, results: Path
) -> None:
    after(results, 1, SLOW, SLOW)
    first, second = sorted(github.issues)
    github.deleted = {first, second}
    done = after(results, 2, FAILS, SAME)
    assert (done.code, done.err.count("issue 3 (open)")) == (0, 1)
    assert [number for number in github.issues if number not in github.deleted] == [3]
    done = after(results, 3, SAME, SAME)
    assert (done.code, github.issues[3]["state"]) == (0, "closed")
    assert [number for number, _ in github.comments] == [3]
    assert notify(results).err == ""


@needs_gh
def test_what_is_refused_for_one_issue_is_said_and_holds_up_no_other(github: FakeGitHub, results: Path) -> None:
    after(results, 1, SLOW, SLOW)
    first, second = sorted(github.issues)
    github.locked = {first}
    done = after(results, 2, FAILS, FAILS)
    assert done.code == 8
    assert f"issue {first}, {A.title}: gh failed" in done.err
    assert [number for number, _ in github.comments] == [second]
    github.locked = set()
    assert notify(results).code == 0
    assert [number for number, _ in github.comments] == [second, first]


@pytest.mark.parametrize("answer", ["[7]", "null", "[[{}]]", '[{"body": "marker"}]', '{"number": "x"}', "<html>"])
def test_an_answer_that_is_none_of_a_tracker_is_a_sentence(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gh").write_text(f"#!/bin/sh\ncat > given\necho '{answer}'\n")
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(TrackerError, match="is its address right"):
        Tracker("github").create("title", "text")
    with pytest.raises(TrackerError, match="is its address right"):
        Tracker("github").find("marker")


def test_an_unknown_tracker_and_a_missing_program_are_said(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(results))
    assert after(results, 1, SLOW).code == 8
    assert ssdbench("notify", "latest", "--issues", "jira", "--results", results).code == 2


FAKE_GLAB = """#!/bin/sh
# Not glab: keeps the words of each call and what it is given, and answers as the API does.
printf '%s\\n' "$*" >> calls
case "$*" in *GET*) echo '[{"iid": 4, "description": "a marker"}][{"iid": 2, "description": "marker"}]' ;;
*) cat >> given; echo >> given; echo '{"iid": 7}' ;; esac
"""


def test_gitlab_is_called_as_its_api_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glab").write_text(FAKE_GLAB)
    (tmp_path / "glab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tracker = Tracker("gitlab", "group/sub/bench")
    assert tracker.find("marker") == 2
    assert tracker.find("nothing") is None
    assert tracker.create("title", "text") == 7
    tracker.edit(7, "text", False)
    tracker.comment(7, "said")
    calls = Path("calls").read_text().splitlines()
    assert all(call.startswith("api projects/group%2Fsub%2Fbench/issues") for call in calls)
    assert [call.split()[3] for call in calls] == ["GET", "GET", "POST", "PUT", "POST"]
    assert not [call for call in calls if "text" in call or "said" in call]
    assert [json.loads(line) for line in Path("given").read_text().splitlines()] == [
        {"title": "title", "description": "text", "labels": "ssdbench"},
        {"description": "text", "state_event": "close"},
        {"body": "said"},
    ]
