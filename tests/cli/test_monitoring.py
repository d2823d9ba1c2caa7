"""Samples in a real Pushgateway, read by a real Prometheus, which answers each query of the dashboard."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.resources import MONITORING, resource
from tests import monitoring
from tests.builders import HARDWARE, a_case, a_failure, a_run, stored_sessions
from tests.cli.running import keep, ssdbench
from tests.monitoring import Monitoring

A, B, C = a_case(), a_case(batch_size_per_gpu=64), a_case(batch_size_per_gpu=128)
SAME, SLOW = (0.1, 0.1001, 0.0999), (0.11, 0.1101, 0.1099)
RULES = resource(MONITORING, "prometheus-rules.yml")
DASHBOARD = json.loads(resource(MONITORING, "grafana-dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    started = Monitoring(tmp_path_factory.mktemp("prometheus"), RULES)
    yield started
    started.stop()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    from ssdbench.harness.stores.files import FileStore

    folder = tmp_path / "results"
    FileStore(folder).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), (C, SAME), run_id="run-0")))
    keep(folder, a_run((A, SLOW), (B, SAME), (C, (a_failure(),) * 3), run_id="night-1"))
    return folder


def values(found: list[Any], label: str) -> dict[str, str]:
    return {item["metric"].get(label, ""): item["value"][1] for item in found}


@pytest.mark.prometheus
@pytest.mark.skipif(monitoring.missing() is not None, reason=str(monitoring.missing()))
def test_what_is_pushed_answers_every_query_of_the_dashboard_and_fires_the_rule(
    servers: Monitoring, results: Path
) -> None:
    for run in ("night-1", "night-1"):
        done = ssdbench("notify", run, "--push", servers.gateway, "--results", results)
        assert (done.code, done.out, done.err) == (0, "", "")
    assert values(servers.query_until_found("ssdbench_run"), "run") == {"night-1": "1"}
    empty = [text for text in EXPRESSIONS if not servers.query(text.replace("$hardware", HARDWARE.key))]
    assert empty == []
    counts = [servers.query(text.replace("$hardware", HARDWARE.key))[0]["value"][1] for text in EXPRESSIONS[:3]]
    assert counts == ["1", "1", "0"]  # regressed, failed, undecided
    change = values(servers.query("ssdbench_change_ratio"), "case")
    assert float(change[A.key]) == pytest.approx(-0.0909, abs=1e-3)
    firing = servers.query_until_found('ALERTS{alertname="SsdbenchCaseRegressed",alertstate="firing"}')
    assert set(values(firing, "case")) == {A.key, C.key}
    assert not servers.query('ALERTS{alertname="SsdbenchSilent"}')
    # The next run replaces it: the same series, and nothing left of the one before.
    keep(results, a_run((A, SAME), (B, SAME), (C, SAME), run_id="night-2", created_at="2026-01-07T12:00:00+00:00"))
    assert ssdbench("notify", "night-2", "--push", servers.gateway, "--results", results).code == 0
    assert servers.query_until_found('ssdbench_run{run="night-2"}')
    series = servers.query("count(count_over_time(ssdbench_change_ratio[1h])) by (case)")
    assert set(values(series, "case").values()) == {"1"}


@pytest.mark.prometheus
@pytest.mark.skipif(monitoring.missing() is not None, reason=str(monitoring.missing()))
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_gateway_that_is_not_there_is_exit_code_8_and_its_password_stays_out(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY", "http://me:hush@127.0.0.1:1")
    done = ssdbench("notify", "latest", "--push", "env:GATEWAY", "--results", results)
    assert done.code == 8
    assert "no connection" in done.err
    assert "hush" not in done.err + done.out
    done = ssdbench("notify", "latest", "--push", "hush", "--results", results)
    assert done.code == 2
    assert "hush" not in done.err


def test_init_writes_the_dashboard_and_the_rules(tmp_path: Path) -> None:
    assert ssdbench("init", tmp_path, "--monitoring").code == 0
    assert (tmp_path / "monitoring" / "prometheus-rules.yml").read_bytes() == RULES.read_bytes()
    assert json.loads((tmp_path / "monitoring" / "grafana-dashboard.json").read_text()) == DASHBOARD
