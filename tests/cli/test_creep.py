"""Creep within the margin of every release: no output is silent about it, and an option makes it an exit code."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml, Skipped

from ssdbench.errors import ExitCode
from ssdbench.schema.record import BaselineArm, Record, Run
from tests.builders import a_case, a_header, a_record, a_run
from tests.cli.running import accept, keep, ssdbench

A, B = a_case(), a_case(backbone="resnet50")
TITLE = "train resnet18 resident fp32 · 1 proc × batch 2"
MONTHLY = 0.003
SILENT_BEFORE = ["json", "junit", "github-annotations", "github-summary", "gitlab-metrics", "openmetrics", "line"]


def month(number: int, name: str = "month") -> Run:
    """Launches of a month: A is slower by 0.3 % with every month, B is what it was."""
    slower = 0.1 * (1 + MONTHLY) ** number
    return a_run((A, (slower, 1.0001 * slower, 0.9999 * slower)), (B, (0.1, 0.1001, 0.0999)), run_id=f"{name}-{number}")


@pytest.fixture
def year(tmp_path: Path) -> Path:
    """Five accepted months of 0.3 % each, of which the first is the anchor, and a sixth that is not accepted.

    Every month is five sessions, so that a case can be unchanged.
    """
    for number in range(5):
        sessions = [_later(month(number, f"session{session}"), session) for session in range(5)]
        keep(tmp_path, *sessions)
        names = [run.header.run_id for run in sessions]
        assert accept(tmp_path, *names, "--allow-regression").code == 0
    keep(tmp_path, month(5))
    return tmp_path


def _later(run: Run, session: int) -> Run:
    """The same a trifle slower: sessions are never equal."""
    records = []
    for record in run.records:
        assert record.measurement is not None
        seconds = [(1 + 1e-4 * session) * step for step in record.measurement.step_seconds]
        records.append(a_record(run_id=run.header.run_id, case=record.case, launch=record.launch, step_seconds=seconds))
    return Run(header=run.header, records=tuple(replace(record, order=n) for n, record in enumerate(records)))


def without_allowed(results: Path) -> Path:
    """Two acceptances that nobody had to allow: 1.5 % after the anchor, by way of 0.8 %."""
    for name, seconds in (("first", 0.1), ("second", 0.1008)):
        runs = [
            a_run((A, [factor * each for factor in (1, 1.0001, 0.9999)]), run_id=f"{name}-{session}")
            for session, each in enumerate(seconds * (1 + 1e-4 * n) for n in range(5))
        ]
        keep(results, *runs)
        assert accept(results, *(run.header.run_id for run in runs)).code == 0
    keep(results, a_run((A, (0.1015, 0.10151, 0.10149)), run_id="now"))
    return results


def test_a_run_beyond_the_margin_from_the_anchor_ends_with_0_unless_that_is_asked_for(tmp_path: Path) -> None:
    results = without_allowed(tmp_path)
    assert ssdbench("compare", "now", "--results", results).code == 0
    asked = ssdbench("compare", "now", "--fail-on-creep", "--results", results)
    assert asked.code == ExitCode.CREPT == 10
    assert asked.words.startswith("CREEP: 1 of 1 case worse by more than 1% since 2026-01-05 (run first-4, the anchor")
    assert ssdbench("compare", "now", "--fail-on-creep", "--margin", "0.02", "--results", results).code == 0


def test_a_regression_goes_before_creep_and_creep_before_what_is_open(tmp_path: Path) -> None:
    results = without_allowed(tmp_path)
    keep(results, a_run((A, (0.2, 0.2001, 0.1999)), run_id="slow"), a_run((A, (0.1, 0.12, 0.14)), run_id="noisy"))
    for run, code in (("slow", 3), ("noisy", 10)):
        assert ssdbench("compare", run, "--fail-on-creep", "--results", results).code == code
    assert ssdbench("compare", "noisy", "--results", results).code == 5


@pytest.mark.parametrize("name", SILENT_BEFORE)
@pytest.mark.parametrize("option", [(), ("--fail-on-creep",)], ids=["reported", "gated"])
def test_no_output_is_silent_about_creep(tmp_path: Path, name: str, option: tuple[str, ...]) -> None:
    results, file = without_allowed(tmp_path), tmp_path / "out"
    ssdbench("compare", "now", "--results", results, "--output", f"{name}={file}", *option)
    text = file.read_text()
    if name == "json":
        (creep,) = json.loads(text)["creep"]
        assert (creep["against"], creep["run_id"], creep["compared_cases"]) == ("anchor", "first-4", 1)
        assert [case["title"] for case in creep["worse"]] == [TITLE]
    elif name in ("gitlab-metrics", "openmetrics"):
        (count,) = [line for line in text.splitlines() if line.startswith("ssdbench_creep_cases{")]
        assert 'against="anchor"' in count
        assert count.endswith(" 1.0")
    elif name == "junit":
        (suite,) = JUnitXml.fromstring(text.encode())
        (case,) = [case for case in suite if case.name == "no creep away from the anchor of main"]
        assert isinstance(case.result[0], Failure if option else Skipped)
        assert (suite.failures, suite.tests) == (len(option), 2)
        assert TITLE in case.system_out
    else:
        text = text.replace("%25", "%")
        assert "1 of 1 case worse by more than 1% since 2026-01-05 (run first-4, the anchor of main)" in text
        assert "-1.46%" in text
    if name == "github-annotations":
        assert ("::error title=creep::" in text) is bool(option)
        assert ("::warning title=creep::" in text) is not bool(option)


def test_the_reports_have_a_section_on_creep(tmp_path: Path) -> None:
    results, page, short = without_allowed(tmp_path), tmp_path / "r.html", tmp_path / "r.md"
    done = ssdbench("report", "now", "--results", results, "-o", page, "--markdown", short)
    assert done.code == 0
    assert 'id="creep"' in page.read_text()
    for text in (page.read_text(), short.read_text()):
        assert "reep: 1 of 1 case worse by more than 1% since 2026-01-05 (run first-4, the anchor of main)" in text


def test_what_was_allowed_is_counted_and_not_called(year: Path) -> None:
    # Month 4 was worse than the anchor by 1.2 %, and accepted so; month 5 is not much worse than that.
    outcome = ssdbench("compare", "month-5", "--fail-on-creep", "--results", year)
    assert outcome.code == 0
    assert "no creep: no case is worse by more than 1% since 2026-01-05" in outcome.words
    assert "; 1 case more with an allowed regression" in outcome.words


def interleaved(seconds: float, run_id: str = "pairs") -> Run:
    """A candidate and a baseline that are equal: three pairs of A."""
    records: list[Record] = []
    for pair, offset in enumerate((-2e-4, 1e-4, 3e-4)):
        for arm in ("baseline", "candidate"):
            each = seconds * (1 + offset * (1.1 if arm == "candidate" else 1))
            found = a_record(run_id=run_id, case=A, launch=pair, step_seconds=each, arm=arm, order=len(records))
            records.append(replace(found, id=f"{run_id}/{arm}/{pair}"))
    old = BaselineArm(python="/opt/old/bin/python", source="/opt/old")
    return Run(header=a_header(run_id=run_id, cases=(A,), baseline_arm=old), records=tuple(records))


def test_an_interleaved_run_is_watched_as_well(tmp_path: Path) -> None:
    keep(tmp_path, interleaved(0.1015))
    quiet = ssdbench("compare", "pairs", "--fail-on-creep", "--results", tmp_path)
    assert quiet.code == 0
    assert "creep" not in quiet.out.lower()  # there is nothing older
    keep(tmp_path, a_run((A, (0.1, 0.10001, 0.09999)), run_id="first"))
    assert accept(tmp_path, "first").code == 0
    watched = ssdbench("compare", "pairs", "--results", tmp_path)
    assert watched.code == 0
    assert "NO REGRESSION: 1 of 1 case stayed within 1%" in watched.words
    assert "CREEP: 1 of 1 case worse by more than 1% since 2026-01-05 (run first, the anchor of main)" in watched.words
    assert ssdbench("compare", "pairs", "--fail-on-creep", "--results", tmp_path).code == 10
    keep(tmp_path, interleaved(0.1001, "closer"))
    closer = ssdbench("compare", "closer", "--fail-on-creep", "--results", tmp_path)
    assert closer.code == 0
    assert "no creep: no case is worse by more than 1% since 2026-01-05 (run first, the anchor of main)" in closer.words


def test_an_interleaved_run_is_not_compared_with_itself_or_with_other_cases(tmp_path: Path) -> None:
    keep(tmp_path, interleaved(0.1), interleaved(0.1, "again"))
    assert accept(tmp_path, "pairs").code == 0
    assert "creep" not in ssdbench("compare", "pairs", "--results", tmp_path).out
    assert "no creep" in ssdbench("compare", "again", "--results", tmp_path).out
    keep(tmp_path / "other", a_run((B, (0.1, 0.1001, 0.0999)), run_id="first"), interleaved(0.2))
    assert accept(tmp_path / "other", "first").code == 0
    assert "creep" not in ssdbench("compare", "pairs", "--results", tmp_path / "other").out.lower()


def test_an_interleaved_run_is_compared_with_the_last_release_too(tmp_path: Path) -> None:
    keep(tmp_path, a_run((A, (0.1, 0.10001, 0.09999)), run_id="first"))
    keep(tmp_path, a_run((A, (0.09, 0.09001, 0.08999)), run_id="second"), interleaved(0.0915))
    assert accept(tmp_path, "first").code == 0
    assert accept(tmp_path, "second", "--release").code == 0
    outcome = ssdbench("compare", "pairs", "--results", tmp_path)
    assert "CREEP: 1 of 1 case worse by more than 1% since 2026-01-05 (run second, the last release" in outcome.words
    assert (
        "no creep: no case is worse by more than 1% since 2026-01-05 (run first, the anchor of main)" in outcome.words
    )


def test_the_option_is_refused_where_nothing_is_judged(tmp_path: Path) -> None:
    outcome = ssdbench("run", "smoke", "--fail-on-creep", "--results", tmp_path)
    assert outcome.code == 2
    assert "--fail-on-creep is for runs that are judged: give --compare, --decide or --until-decided" in outcome.err
