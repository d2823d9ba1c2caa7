"""`ssdbench notify` on stored runs and a real server: each change once, whatever fails in between."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ssdbench.harness.alerts.stored import changing_alerts, load_alerts, open_cases
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.opening import open_archive, open_store
from ssdbench.harness.stores.store import Store
from ssdbench.schema.alert import Message
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Status
from ssdbench.workflows.notifying import MOST_WAITING
from tests.builders import HARDWARE, a_case, a_failure, a_nightly_result, a_run, stored_sessions
from tests.cli.running import Outcome, ssdbench
from tests.databases import STORES
from tests.receiver import Receiver

A, B = a_case(), a_case(batch_size_per_gpu=64)
SAME, SLOW, SLOWER = (0.1, 0.1001, 0.0999), (0.11, 0.1101, 0.1099), (0.15, 0.1501, 0.1499)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    server = Receiver()
    monkeypatch.setenv("TEAM", server.url)
    yield server
    server.stop()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder whose baseline has two cases."""
    folder = tmp_path / "results"
    Store(open_archive(str(folder))).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0")))
    return folder


def measure(place: Path | str, day: int, a: object = SAME, b: object = SAME) -> Run:
    run = a_run((A, a), (B, b), run_id=f"night-{day:02}", created_at=f"2026-01-{day + 5:02}T01:00:00+00:00")  # type: ignore[arg-type]
    store = Store(open_archive(str(place)))
    store.begin(run.header)
    for record in run.records:
        store.append(record)
    return run


def notify(results: Path, *more: str | Path, run: str = "latest") -> Outcome:
    return ssdbench("notify", run, "--to", "env:TEAM", "--results", results, *more, columns=200)


@pytest.mark.parametrize("kind", STORES)
def test_an_alert_opens_lasts_closes_and_opens_again_in_every_store(
    kind: str, new_place: Callable[[str], str], receiver: Receiver, tmp_path: Path
) -> None:
    place = new_place(kind)
    open_store(tmp_path, place, lambda _: None).save_baseline(
        stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0"))
    )
    nights = [SAME, SLOW, SLOW, SLOW, (a_failure(),) * 3, SAME, SAME, SLOW]
    outs, counts = [], []
    for day, seconds in enumerate(nights, start=1):
        measure(place, day, a=seconds)
        done = notify(tmp_path / "results", "--store", place)
        assert done.code == 0, done.err
        outs.append(done.out.split()[0])
        counts.append(len(receiver.bodies))
    assert outs == ["no", "opened", "no", "no", "changed", "closed", "no", "reopened"]
    assert counts == [0, 1, 1, 1, 2, 3, 3, 4]
    (alert,) = load_alerts(open_archive(place), HARDWARE.key).alerts
    assert (alert.openings, alert.bad_runs, alert.first_run_id) == (2, 1, "night-08")
    assert open_cases(open_archive(place), HARDWARE.key) == {A.key}
    closed = receiver.messages[2]
    assert closed["title"] == f"ssdbench: 1 recovered on {HARDWARE.key}"
    assert "bad in 4 runs, first in `night-02` (2026-01-07)" in closed["message"]
    assert "hush" not in str([str(alert), done.out, done.err])


def test_a_run_is_told_once_however_often_it_is_notified(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW, b=SLOW)
    assert notify(results).out.count("opened") == 2
    before = load_alerts(open_archive(str(results)), HARDWARE.key)
    assert notify(results).out == "no news\n"
    assert len(receiver.bodies) == 1
    assert load_alerts(open_archive(str(results)), HARDWARE.key) == before


def process(results: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ssdbench", "notify", "latest", "--to", "env:TEAM"]
    return subprocess.Popen(
        [*command, "--results", str(results)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_at_once_send_one_message(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    both = [process(results), process(results)]
    outs = sorted(one.communicate()[0].split()[0] for one in both)
    assert [one.returncode for one in both] == [0, 0]
    assert outs == ["no", "opened"]
    assert len(receiver.bodies) == 1


def test_a_process_killed_after_sending_and_before_storing_sends_once_more_and_loses_nothing(results: Path) -> None:
    measure(results, 1, a=SLOW)
    server = Receiver(hangs=True)  # it has the message, and the sender does not know
    os.environ["TEAM"] = server.url
    try:
        sender = process(results)
        while not server.bodies:
            time.sleep(0.02)
        listed = [psutil.Process(sender.pid), *psutil.Process(sender.pid).children(recursive=True)]
        assert "hush" not in str([process.cmdline() for process in listed])
        sender.kill()
        sender.communicate()
        server._released.set()
        assert len(load_alerts(open_archive(str(results)), HARDWARE.key).messages) == 1
        done = notify(results)
    finally:
        del os.environ["TEAM"]
        server.stop()
    assert (done.code, done.out) == (0, "no news\nsent      1 message to env:TEAM\n")
    assert server.bodies == [server.bodies[0]] * 2
    assert "took over" in done.err


def test_what_is_not_delivered_waits_and_is_sent_in_order_to_whom_it_failed(
    results: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Receiver()
    monkeypatch.setenv("OTHER", other.url)
    both = ("--to", "env:OTHER")
    receiver.status = 500
    measure(results, 1, a=SLOW)
    done = notify(results, *both)
    assert done.code == 8
    assert (
        done.err
        == "ssdbench: env:TEAM did not take a message (HTTP status 500): 1 message kept for the next `notify`\n"
    )
    measure(results, 2, a=SAME)
    assert notify(results, *both).code == 8
    assert (len(receiver.bodies), len(other.bodies)) == (0, 2)
    receiver.status = 200
    measure(results, 3)
    done = notify(results, *both)
    assert (done.code, done.out) == (0, "no news\nsent      2 messages to env:TEAM\n")
    assert receiver.messages == other.messages
    assert "night-01" in receiver.messages[0]["message"]
    assert "night-02" in receiver.messages[1]["message"]
    other.stop()


def test_of_too_many_messages_that_wait_the_oldest_is_dropped_and_that_is_said(
    results: Path, receiver: Receiver
) -> None:
    archive = open_archive(str(results))
    old = [
        Message(target=target, run_id=f"old-{number:02}", title="", text="", markdown="")
        for number in range(MOST_WAITING)
        for target in ("env:TEAM", "env:OTHER")
    ]
    with changing_alerts(archive, HARDWARE.key, print) as held:
        held.save(replace(held.alerts, messages=tuple(old)))
    receiver.status = 500
    measure(results, 1, a=SLOW)
    done = notify(results)
    assert done.code == 8
    assert "target env:TEAM: more than 50 messages wait; the one about run old-00 is dropped" in done.err
    kept = load_alerts(archive, HARDWARE.key).messages
    assert [message.run_id for message in kept if message.target == "env:OTHER"] == [item.run_id for item in old[::2]]
    mine = [message.run_id for message in kept if message.target == "env:TEAM"]
    assert (len(mine), mine[0], mine[-1]) == (MOST_WAITING, "old-01", "night-01")


def test_messages_for_a_target_that_is_no_longer_named_are_mentioned(
    results: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.status = 500
    measure(results, 1, a=SLOW)
    notify(results)
    monkeypatch.setenv("NEW", receiver.url)
    receiver.status = 200
    done = ssdbench("notify", "latest", "--to", "env:NEW", "--results", results)
    assert done.code == 0
    assert "1 message for env:TEAM" in " ".join(done.err.split())


def test_owners_are_mentioned_and_may_have_a_target_of_their_own(
    results: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Receiver()
    monkeypatch.setenv("OWN", team.url)
    (results / "owners.toml").write_text(
        '[[owner]]\ncases = "bs64"\nmention = "<@U123>"\ntarget = "env:OWN"\n\n[[owner]]\nmention = "@everybody"\n'
    )
    measure(results, 1, a=SLOW, b=SLOWER)
    assert notify(results, "--to", "env:OWN").code == 0
    own, general = team.messages[0]["message"], receiver.messages[0]["message"]
    assert "batch 64" in own
    assert "<@U123>" in own
    assert "batch 2" in own  # whose owner has no target
    assert "batch 64" not in general
    assert "@everybody" in general
    team.stop()


def test_a_wrong_file_of_owners_is_an_error_and_nothing_is_stored(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    (results / "owners.toml").write_text('[[owner]]\ncase = "bs64"\n')
    done = notify(results)
    assert done.code == 2
    assert "owners.toml" in done.err
    assert "did you mean 'cases'?" in done.err
    assert not receiver.bodies
    assert not (results / "alerts").exists()
    assert notify(results, "--owners", results / "nobody.toml").code == 2


def test_a_preview_sends_and_stores_nothing(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    done = notify(results, "--dry-run")
    assert done.out.startswith(f"ssdbench: 1 regressed on {HARDWARE.key}\n\nRun night-01, compared with main.\n\nNew\n")
    assert not receiver.bodies
    assert not (results / "alerts").exists()
    notify(results)
    assert notify(results, "--dry-run").out == "no news in run night-01\n"


def test_everything_is_json_where_that_is_asked_for(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    shown = json.loads(notify(results, "--dry-run", "--json").out)
    assert [alert["last_event"] for alert in shown["changed"]] == ["opened"]
    assert shown["message"]["title"] == f"ssdbench: 1 regressed on {HARDWARE.key}"
    gateway = f"http://127.0.0.1:{receiver.port}"
    pushed = ssdbench("notify", "latest", "--push", gateway, "--results", results, "--json")
    assert (pushed.code, json.loads(pushed.out)) == (0, {"changed": [], "deliveries": []})
    nightly(results, measure(results, 2, a=SLOW), Status.REGRESSED, itself=True)
    assert json.loads(notify(results, "--json").out) == {"changed": [], "deliveries": []}


def test_owners_that_a_link_leads_to_must_be_there(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    (results / "owners.toml").symlink_to("gone.toml")
    assert notify(results).code == 2
    assert not receiver.bodies


def test_without_a_target_nothing_is_taken_into_account(results: Path) -> None:
    measure(results, 1, a=SLOW)
    done = ssdbench("notify", "latest", "--results", results)
    assert done.code == 2
    assert "--to env:NAME" in done.err
    assert not (results / "alerts").exists()


def test_json_has_the_alerts_and_the_deliveries(results: Path, receiver: Receiver) -> None:
    measure(results, 1, a=SLOW)
    found = json.loads(notify(results, "--json").out)
    assert [alert["last_event"] for alert in found["changed"]] == ["opened"]
    assert found["deliveries"] == [{"target": "env:TEAM", "sent": 1, "waiting": 0, "reason": ""}]


def nightly(
    results: Path, run: Run, status: Status, *, pairs: str | None = None, itself: bool = False
) -> NightlyResult:
    result = replace(
        a_nightly_result(run_id=run.header.run_id),
        measured_at=run.header.created_at,
        cases=(NightlyCase(case_key=A.key, title=A.title, metric="throughput", status=status),),
        pairs_run_id=pairs,
        against_itself=itself,
    )
    NightlyResults(open_archive(str(results))).save(result)
    return result


def test_the_stored_verdicts_of_a_nightly_run_go_before_those_of_stored_figures(
    results: Path, receiver: Receiver
) -> None:
    first = measure(results, 1, a=SLOW)
    nightly(results, first, Status.UNCHANGED)  # fresh pairs found nothing
    assert notify(results).out == "no news\n"
    second, pairs = measure(results, 2), measure(results, 3, a=SLOW)
    nightly(results, second, Status.REGRESSED, pairs=pairs.header.run_id)
    assert notify(results).out.startswith("opened")  # latest is the run of the pairs
    assert "`night-02`" in receiver.messages[0]["message"]
    assert "% lower" in receiver.messages[0]["message"]


def test_nobody_is_told_of_a_build_that_was_measured_against_itself(results: Path, receiver: Receiver) -> None:
    nightly(results, measure(results, 1, a=SLOW), Status.REGRESSED, itself=True)
    assert "nobody is told" in notify(results).out
    assert not receiver.bodies


def test_alerts_are_copied_and_checked_with_their_store(results: Path, receiver: Receiver, tmp_path: Path) -> None:
    measure(results, 1, a=SLOW)
    notify(results)
    there = f"sqlite:///{tmp_path / 'copy.db'}"
    assert "1 alert state" in ssdbench("store", "sync", results, there).out
    assert load_alerts(open_archive(there), HARDWARE.key) == load_alerts(open_archive(str(results)), HARDWARE.key)
    assert "1 alert state" in ssdbench("store", "check", "--store", there).out
    path = results / "alerts" / HARDWARE.key / "alerts.jsonl"
    path.write_text(path.read_text().replace("regressed", "unchanged"))
    done = ssdbench("store", "check", "--results", results)
    assert done.code == 2
    assert "alerts.jsonl line 1" in done.words + done.err
    assert notify(results).code == 2


def test_no_password_of_a_store_or_target_is_stored_or_said(results: Path, receiver: Receiver) -> None:
    receiver.status = 403
    measure(results, 1, a=SLOW)
    done = ssdbench("notify", "latest", "--to", receiver.url, "--results", results, "--json")
    assert done.code == 8
    kept = "".join(path.read_text() for path in results.rglob("*.jsonl")) + done.out + done.err
    assert "hush" not in kept
