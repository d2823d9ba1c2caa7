"""`ssdbench watch`: text, JSON, a page, exit code; the page of the history site."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.alerts.stored import changing_alerts
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.spool import Spool
from ssdbench.schema.alert import Message
from ssdbench.schema.nightly import NightlyResult
from ssdbench.schema.verdict import Status
from tests.builders import a_run
from tests.cli.running import keep, ssdbench
from tests.hostile import TEXT, commands_in, invisible_in
from tests.nightly_results import a_case_of, a_result


def save(folder: Path, *results: NightlyResult) -> None:
    """Keep these results, the last of them of a moment ago and the others of a day each before it."""
    archive = NightlyResults(FileStore(folder / "results").archive)
    now = datetime.now(timezone.utc)
    for place, result in enumerate(results):
        moment = now - timedelta(days=len(results) - 1 - place, minutes=1)
        archive.save(replace(result, measured_at=moment.isoformat(timespec="seconds")))


def watch(folder: Path, *options: str) -> tuple[int, str]:
    found = ssdbench("watch", "--results", folder / "results", *options, columns=120)
    return found.code, found.out


def test_healthy_runs_end_with_0_and_open_ones_with_12(tmp_path: Path) -> None:
    save(tmp_path, *(a_result(number) for number in range(3)))
    code, text = watch(tmp_path)
    assert code == ExitCode.OK
    assert "HEALTHY: 1 suite, no limit is passed" in text
    assert "3 runs, the last today; 0 inconclusive among the last 3 verdicts; no build was measured twice" in text
    save(tmp_path, *(a_result(3 + number, a_case_of(Status.INCONCLUSIVE)) for number in range(2)))
    code, text = watch(tmp_path, "--without-verdict", "1")
    assert code == ExitCode.ATTENTION
    assert "no verdict: train · resnet18-1xcpu-bs2 on cpu-2x-example: 2 runs since its last conclusive verdict" in text
    assert watch(tmp_path, "--without-verdict", "2", "--inconclusive", "0.5")[0] == ExitCode.OK


def test_a_store_without_results_needs_attention(tmp_path: Path) -> None:
    code, text = watch(tmp_path)
    assert code == ExitCode.ATTENTION
    assert "nothing to watch: regular runs: no result of a regular run is stored here" in text


def test_json_has_every_field_and_a_suite_can_be_chosen(tmp_path: Path) -> None:
    save(tmp_path, a_result(0), a_result(1, suite="monthly"))
    found = json.loads(watch(tmp_path, "--json", "--suite", "monthly")[1])
    assert [suite["suite"] for suite in found["suites"]] == ["monthly"]
    assert found["limits"]["runs_without_verdict"] == 7
    assert json.loads(watch(tmp_path, "--json", "--hardware", "gpu")[1])["attention"][0]["concern"] == "nothing"


def test_records_in_a_spool_are_counted(tmp_path: Path) -> None:
    save(tmp_path, a_result(0))
    run = a_run()
    spool = Spool(tmp_path / "results" / "spool" / "postgresql-example")
    for record in run.records:
        spool.keep(run.header, record)
    code, text = watch(tmp_path)
    assert code == ExitCode.ATTENTION
    assert "3 records not sent: `ssdbench store send` sends them" in " ".join(text.split())
    assert watch(tmp_path, "--waiting-records", "3")[0] == ExitCode.OK


def test_alerts_that_could_not_be_delivered_are_counted(tmp_path: Path) -> None:
    save(tmp_path, a_result(0))
    archive = FileStore(tmp_path / "results").archive
    message = Message(target="chat", run_id="run-00", title="train", text="slower", markdown="slower")
    with changing_alerts(archive, "cpu-2x-example", print) as stored:
        stored.save(replace(stored.alerts, messages=(message, message)))
    code, text = watch(tmp_path)
    assert code == ExitCode.ATTENTION
    assert "alerts waiting: alerts of cpu-2x-example: 2 messages not delivered" in text
    assert watch(tmp_path, "--waiting-alerts", "2")[0] == ExitCode.OK


def test_a_waiver_that_expires_is_told(tmp_path: Path) -> None:
    save(tmp_path, a_result(0))
    last = (datetime.now(timezone.utc) + timedelta(days=5)).date().isoformat()
    entry = (
        f'[[waiver]]\ncase = "train"\nceiling = "20%"\nexpires = {last}\nissue = "https://e.org/1"\nreason = "known"\n'
    )
    (tmp_path / "results" / "waivers.toml").write_text(entry)
    code, text = watch(tmp_path)
    assert code == ExitCode.ATTENTION
    assert f"waiver: waiver 1 (train): expires in 5 days, on {last}: https://e.org/1" in text
    assert watch(tmp_path, "--waiver-days", "4")[0] == ExitCode.OK


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--inconclusive", "25"), "--inconclusive 25 is no share between 0 and 1"),
        (("--html", "page.html", "--json"), "choose one"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    found = ssdbench("watch", "--results", tmp_path, *options)
    assert found.code == ExitCode.USAGE
    assert sentence in found.err


def test_whatever_a_result_says_stays_text(tmp_path: Path) -> None:
    save(tmp_path, a_result(0, a_case_of(Status.NOT_RUN, title=TEXT), host=TEXT, baseline=TEXT))
    code, text = watch(tmp_path)
    assert code == ExitCode.ATTENTION
    assert not invisible_in(text)
    assert not commands_in(text)
    page = tmp_path / "health.html"
    assert watch(tmp_path, "--html", str(page))[0] == ExitCode.ATTENTION
    written = page.read_text(encoding="utf-8")
    assert not invisible_in(written)
    assert "<script>alert" not in written
    assert "&lt;script&gt;alert(1)" in written


def test_the_history_site_has_a_page_of_health_where_there_are_regular_runs(tmp_path: Path) -> None:
    keep(tmp_path / "results", a_run())
    site = tmp_path / "site"
    assert ssdbench("history", "--html", site, "--results", tmp_path / "results").code == 0
    assert not (site / "health.html").exists()
    assert "health.html" not in (site / "index.html").read_text(encoding="utf-8")
    key = a_run().records[0].case.key
    save(tmp_path, a_result(0, a_case_of(key=key)), a_result(1, a_case_of(), against_itself=True))
    assert ssdbench("history", "--html", site, "--results", tmp_path / "results").code == 0
    assert '<a href="health.html">' in (site / "index.html").read_text(encoding="utf-8")
    page = (site / "health.html").read_text(encoding="utf-8")
    assert f'<a href="cases/{key}.html">' in page
    assert "Changes of one build from itself in 1 run" in page
