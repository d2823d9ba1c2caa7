"""Waivers through the command line, on stored records: written, in force in every output, listed, and in the way."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from junitparser import JUnitXml, Skipped

import ssdbench as api
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.waiver_file import entry_text
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.times import utc_now, utc_today
from tests.builders import GPU_HARDWARE, a_case, a_run, stored_sessions
from tests.cli.running import accept, keep, ssdbench, the_baseline
from tests.hostile import TEXT, commands_in, invisible_in

A, B = a_case(), a_case(workload="infer", backbone="resnet50")
SAME, SLOWER = (0.1, 0.1001, 0.0999), (0.12, 0.1201, 0.1199)
TODAY = utc_today()
LATER, PAST = (TODAY + timedelta(days=30)).isoformat(), (TODAY - timedelta(days=1)).isoformat()
ISSUE = "https://example.org/issues/7"


def entry(case: str = A.key, ceiling: str = "30%", expires: str = LATER, **more: str) -> str:
    values = {"case": case, "ceiling": ceiling, "expires": expires, "issue": ISSUE, "reason": "the new decoder", **more}
    return entry_text(values)


def waive(results: Path, *words: str | Path, case: str = A.key, ceiling: str = "30%", expires: str = LATER):
    given = ("--ceiling", ceiling, "--expires", expires, "--issue", ISSUE, "--reason", "the new decoder")
    return ssdbench("waive", case, *given, *words, "--results", results, columns=300)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A baseline of two cases, and a run in which the first one takes a fifth longer: 16.7 % less throughput."""
    folder = tmp_path / "results"
    FileStore(folder).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0")))
    keep(folder, a_run((A, SLOWER), (B, SAME)))
    return folder


def compare(results: Path, *words: str | Path):
    return ssdbench("compare", "latest", "--results", results, *words, columns=300)


def test_a_waiver_is_written_and_the_gate_passes(results: Path) -> None:
    assert compare(results).code == 3
    done = waive(results, "--owner", "team-x")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        f'added to {results / "waivers.toml"}:\n\n[[waiver]]\ncase = "{A.key}"\nceiling = "30%"\n'
    )
    assert f"\nwaived: {A.title}: " in done.out
    judged = ssdbench("compare", "latest", "--results", results, columns=100)
    assert judged.code == 0
    assert judged.words.startswith("NO NEW REGRESSION: 1 of 2 cases stayed within 1% or improved; 1 known regression")
    assert f"waived up to 30% worse until {LATER}, the 99% interval reaches 16.75%" in judged.words
    assert f"see {ISSUE} (team-x): the new decoder" in judged.words


def test_the_verdict_stays_whole_in_json(results: Path) -> None:
    before = json.loads(compare(results, "--json").out)
    waive(results)
    after = json.loads(compare(results, "--json").out)
    (old,), (new,) = ([case for case in found["cases"] if case["case_key"] == A.key] for found in (before, after))
    assert new["verdict"] == {**old["verdict"], "status": "waived"}
    assert new["waiver"]["judged"] == old["verdict"]["status"] == "regressed"
    assert new["waiver"]["worse_by"] == -old["verdict"]["low"]
    assert old["waiver"] is None
    assert before["waivers"] == []
    (use,) = after["waivers"]
    assert (use["state"], use["cases"], use["waiver"]["ceiling"]) == ("used", [A.key], 0.3)


def test_a_waiver_holds_in_every_output(results: Path, tmp_path: Path) -> None:
    (results / "waivers.toml").write_text(entry() + entry("train gone"))
    unused = "waiver 2 ('train gone') matches no case of this run: correct it, or remove it"
    names = ("junit", "github-annotations", "github-summary", "line", "openmetrics", "gitlab-metrics", "json")
    files = [word for name in names for word in ("--output", f"{name}={tmp_path / name}")]
    judged = compare(results, *files)
    assert (judged.code, judged.err) == (0, "")
    assert f"waivers: {unused}" in judged.out
    text = {name: (tmp_path / name).read_text() for name in names}
    suite = next(iter(JUnitXml.fromstring(text["junit"].encode())))
    (waived,) = [case for case in suite if case.classname == A.key]
    assert [(type(result), result.type) for result in waived.result] == [(Skipped, "waived")]
    assert (suite.failures, suite.errors, suite.skipped) == (0, 0, 1)
    assert unused in text["junit"]
    annotations = text["github-annotations"].splitlines()
    assert [line.partition(" ")[0] for line in annotations] == ["::notice", "::notice", "::warning"]
    assert annotations[1].startswith("::notice title=waived%3A train")
    assert annotations[2] == f"::warning title=waivers::{unused}"
    assert "| waived |" in text["github-summary"]
    assert "waiver 2 (" in text["github-summary"]
    assert "No new regression" in text["line"]
    assert "; 1 waiver to put right (run run-1" in text["line"]
    assert 'verdict="waived"} 1.0' in text["openmetrics"]
    assert 'state="used"} 1.0' in text["openmetrics"]
    assert 'state="unused"} 1.0' in text["gitlab-metrics"]
    assert json.loads(text["json"])["waivers"][1]["notes"] == [unused]
    report = ssdbench("report", "latest", "--markdown", "-", "-o", tmp_path / "r.html", "--results", results)
    assert report.out.startswith("**No new regression:** ")
    assert "\n- waiver 2 ('train gone') matches no case of this run" in report.out
    html = (tmp_path / "r.html").read_text()
    assert "Waived up to 30% worse until" in html
    assert "Waiver 2 (" in html
    (listed,) = json.loads(ssdbench("runs", "--results", results, "--json").out)["runs"]
    assert listed["verdict"] == "ok"
    frame = api.open(results=results).verdicts()
    assert dict(zip(frame["case"], frame["status"], strict=True)) == {A.key: "waived", B.key: "unchanged"}
    assert frame.loc[frame["case"] == A.key, "waiver"].item().startswith("waived up to 30% worse")
    site = tmp_path / "site"
    assert ssdbench("history", "--html", site, "--results", results).code == 0
    assert any("No new regression" in page.read_text() for page in site.rglob("*.html"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (entry(ceiling="10%"), "the waiver's ceiling of 10% worse is passed, the 99% interval reaches 1"),
        (entry(expires=PAST), f"the waiver expired, its last day was {PAST}"),
    ],
)
def test_a_regression_is_red_again_beyond_the_ceiling_and_after_the_day(results: Path, text: str, said: str) -> None:
    (results / "waivers.toml").write_text(text)
    judged = compare(results)
    assert judged.code == 3
    assert judged.words.startswith("REGRESSED: 1 of 2 cases got worse")
    assert said in judged.out


def test_a_case_that_recovered_needs_no_waiver_and_that_is_told(results: Path) -> None:
    waive(results)
    keep(results, a_run((A, SAME), (B, SAME), run_id="run-2", created_at="2026-01-06T12:00:00+00:00"))
    judged = compare(results)
    assert judged.code == 0
    assert judged.words.startswith("NO REGRESSION: 2 of 2 cases")
    assert f"waiver 1 ({A.key!r}"[:60] in judged.out
    assert "is no longer needed, what it waived is not regressed: remove it" in judged.out


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_measured_now_is_judged_with_the_waiver(tmp_path: Path) -> None:
    paced = ("--workload", "pace", "--option", "step_seconds=0.01", "--device", "cpu", "--warmup", "0", "--steps", "5")
    measured = ("run", *paced, "--launches", "3", "--foreign-cpu", "100", "--results", tmp_path)
    assert ssdbench(*measured).code == 0
    first = FileStore(tmp_path).load("latest")
    (planned,) = first.header.plan.cases
    faster = a_run((planned.case, (0.002, 0.002, 0.002)), hardware=first.header.hardware)
    now = [
        replace(record, dataset=None, measurement=replace(record.measurement, started_at=utc_now()))
        for record in faster.records
        if record.measurement
    ]
    FileStore(tmp_path).save_baseline(stored_sessions(replace(faster, records=tuple(now))))
    assert ssdbench(*measured, "--compare").code == 3
    (tmp_path / "waivers.toml").write_text(entry(planned.case.key, "99%"))
    waived = ssdbench(*measured, "--compare", columns=200)
    assert (waived.code, waived.out.count("NO NEW REGRESSION")) == (0, 1)


BROKEN = entry().replace("reason", "raeson")


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "latest"),
        ("compare", "latest", "--json"),
        ("report", "latest", "-o", "-"),
        ("runs",),
        ("export", "latest", "--format", "csv", "--frame", "verdicts"),
        ("history", "--html", "site"),
        ("waive", "--list"),
        ("run", "--workload", "pace", "--device", "cpu", "--compare"),
        ("run", "--workload", "pace", "--device", "cpu", "--decide", "--baseline-python", sys.executable),
    ],
    ids=" ".join,
)
def test_a_file_with_a_mistake_is_an_error_and_never_a_pass(results: Path, words: Sequence[str]) -> None:
    (results / "waivers.toml").write_text(BROKEN)
    done = ssdbench(*words, "--results", results)
    assert done.code == 2
    assert done.out == ""
    path = results / "waivers.toml"
    assert done.err.startswith(f"ssdbench: {path}: key 'waiver.1.raeson' is not known: did you mean 'reason'?")
    assert len(done.err.splitlines()) == 1
    assert len(list((results / "records").iterdir())) == 1  # nothing was measured


def test_a_file_may_be_named_and_must_then_be_there(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "agreed.toml"
    missing = compare(results, "--waivers", other)
    assert (missing.code, missing.err) == (
        2, f"ssdbench: {other}: no such file of waivers; correct --waivers, or omit it\n"
    )  # fmt: skip
    assert waive(results, "--waivers", other).code == 0
    assert compare(results, "--waivers", other).code == 0
    assert compare(results).code == 3


def test_the_folder_of_results_may_come_from_the_environment_and_the_store_be_a_database(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path / 'store.db'}"
    assert ssdbench("store", "sync", results, database).code == 0
    monkeypatch.setenv("SSDBENCH_RESULTS", str(results))
    assert ssdbench("compare", "latest", "--store", database).code == 3
    waive(results)
    assert ssdbench("compare", "latest", "--store", database).code == 0
    monkeypatch.delenv("SSDBENCH_RESULTS")
    monkeypatch.chdir(tmp_path / "..")
    assert ssdbench("compare", "latest", "--store", database).code == 3


@pytest.mark.parametrize(
    ("changes", "words", "sentence"),
    [
        (
            {"case": "no such case"},
            (),
            "'no such case' matches no case of run run-1, by key or by whole words; there are",
        ),
        ({"case": "trai"}, (), "'trai' matches no case of run run-1"),
        ({}, ("--metric", "latency_p50"), "matches no case that is gated by latency_p50 of run run-1"),
        ({}, ("--hardware", "h100"), "--hardware 'h100' is not that of run run-1, cpu"),
        ({"ceiling": "200%"}, (), "command line: --ceiling: '200%' is out of range"),
        ({"expires": "tomorrow"}, (), "command line: --expires: 'tomorrow' is no date; write it as 2026-12-31"),
        ({"expires": PAST}, (), f"--expires {PAST} is over, today is {TODAY.isoformat()} in UTC; give a later day"),
        ({}, ("--metric", "speed"), "command line: --metric: 'speed' is no metric"),
        ({}, ("--list",), "--list shows what is there: omit CASE"),
    ],
)
def test_what_cannot_be_waived_is_a_sentence_and_nothing_is_written(
    results: Path, changes: dict[str, str], words: Sequence[str], sentence: str
) -> None:
    done = waive(results, *words, **changes)
    assert done.code == 2
    assert sentence in done.err
    assert not (results / "waivers.toml").exists()


def test_a_waiver_needs_its_options(results: Path) -> None:
    done = ssdbench("waive", A.key, "--ceiling", "20%", "--results", results)
    assert done.code == 2
    assert "a waiver needs --expires and --issue and --reason; `ssdbench waive --list` shows those" in done.err


@pytest.mark.parametrize("changes", [{"case": "no such case"}, {}])
def test_a_waiver_that_matches_nothing_is_written_by_force(results: Path, changes: dict[str, str]) -> None:
    done = waive(results, "--force", "--hardware", "cpu" if changes else "h100", **changes)
    assert done.code == 0
    assert "the waiver matches no case of it" in done.out
    assert len(read_waivers(results / "waivers.toml")) == 1


def test_a_second_waiver_for_a_case_is_told_at_once(results: Path) -> None:
    waive(results)
    again = waive(results, case="train resnet18", ceiling="10%")
    assert again.code == 0
    assert "regressed: " in again.out
    assert "the smaller ceiling and the earlier day count; keep one of them" in again.out


def test_all_waivers_are_listed_with_their_state(results: Path) -> None:
    store = FileStore(results)
    gpu = [replace(run, records=run.records) for run in [a_run((A, SLOWER), run_id="run-gpu", hardware=GPU_HARDWARE)]]
    keep(results, *gpu)
    assert store.headers()[-1].run_id == "run-gpu"
    (results / "waivers.toml").write_text(
        entry() + entry("train gone") + entry(expires=PAST, hardware="cpu-2x nothing") + entry(B.key)
        + entry(hardware="h100") + entry(expires=TODAY.isoformat(), case="gone")
    )  # fmt: skip
    found = json.loads(ssdbench("waive", "--list", "--results", results, "--json").out)["waivers"]
    assert [(item["waiver"]["entry"], item["state"], item["days_left"]) for item in found] == [
        (1, "used", 30), (2, "unused", 30), (3, "expired", -1), (4, "not_needed", 30), (5, "idle", 30),
        (6, "unused", 0),
    ]  # fmt: skip
    shown = ssdbench("waive", "--list", "--results", results, columns=200)
    assert shown.code == 0
    for word in ("no longer needed", "unused", "expired 1 day ago", "expires in 30 days", "expires today"):
        assert word in shown.words
    nothing = ssdbench("waive", "--list", "--results", results.parent / "other")
    assert nothing.words.endswith("waivers.toml: no waivers")


def test_an_acceptance_reads_no_waivers(results: Path) -> None:
    waive(results)
    refused = accept(results)
    assert refused.code == 2
    assert "accept it with --allow-regression" in refused.err
    (results / "waivers.toml").write_text(BROKEN)
    assert accept(results, "latest", "--allow-regression").code == 0
    assert {record.run_id for record in the_baseline(results).records} == {"run-1"}


def test_a_waived_case_is_no_creep_within_the_ceiling(results: Path) -> None:
    store = FileStore(results)
    store.save_anchor(stored_sessions(a_run((A, (0.0995, 0.0996, 0.0994)), (B, SAME), run_id="run-00")))
    assert compare(results, "--fail-on-creep").code == 3
    waive(results)
    judged = compare(results, "--fail-on-creep")
    assert judged.code == 0
    assert "no creep: no case is worse by more than 1%" in judged.out
    assert "1 case more waived" in judged.out
    store.save_anchor(stored_sessions(a_run((A, (0.07, 0.0701, 0.0699)), (B, SAME), run_id="run-00")))
    assert compare(results, "--fail-on-creep").code == 10


HOSTILE_URL = "https://example.org/" + "".join(TEXT.split())
OUTPUTS = [
    ("compare", "latest"),
    ("compare", "latest", "--json"),
    *(
        ("compare", "latest", "--output", f"{name}=-")
        for name in ("line", "junit", "github-summary", "openmetrics", "gitlab-metrics", "json")
    ),
    ("report", "latest", "--markdown", "-"),
    ("report", "latest", "-o", "-"),
    ("runs",),
    ("export", "latest", "--format", "csv", "--frame", "verdicts"),
    ("waive", "--list"),
    ("waive", "--list", "--json"),
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Waivers that are used, unused and overlapping, and hold hostile text wherever they may."""
    folder = tmp_path_factory.mktemp("hostile") / "results"
    FileStore(folder).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0")))
    keep(folder, a_run((A, SLOWER), (B, SAME)))
    more = {"issue": HOSTILE_URL, "owner": TEXT, "reason": TEXT}
    text = entry(**more) + entry(case=TEXT, **more) + entry("train resnet18", **more)
    (folder / "waivers.toml").write_text(text)
    return folder


@pytest.mark.parametrize("words", OUTPUTS, ids=" ".join)
def test_hostile_text_of_a_waiver_is_text_in_every_output(hostile: Path, words: Sequence[str]) -> None:
    done = ssdbench(*words, "--results", hostile, columns=200)
    assert done.code == 0, done.err
    assert not invisible_in(done.out + done.err)
    assert not commands_in(done.out)
    if words == ("report", "latest", "-o", "-"):
        assert "<script>alert" not in done.out
    says_why = words[0] != "runs" and words[-1] not in ("gitlab-metrics=-", "openmetrics=-", "line=-")
    assert ("example.org" in done.out) == says_why


def test_hostile_text_of_a_waiver_is_one_annotation(hostile: Path, tmp_path: Path) -> None:
    path = tmp_path / "annotations"
    ssdbench("compare", "latest", "--output", f"github-annotations={path}", "--results", hostile)
    lines = path.read_text().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::notice", "::notice", "::warning", "::warning"]
