"""Creep and the change of the whole suite in every output, whatever the names hold and however much is said."""

import json
from dataclasses import replace

import jsonschema
import pytest
from junitparser import Failure, JUnitXml, Skipped
from lxml import etree
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare_arms, exit_code
from ssdbench.errors import ExitCode
from ssdbench.harness.stores import codec
from ssdbench.report.ci import github_annotations, github_summary, gitlab_metrics, junit, line, openmetrics
from ssdbench.report.creep import creep_text
from ssdbench.report.page import render_report
from ssdbench.report.pr_markdown import MOST_LINES, render_markdown
from ssdbench.report.suite_change import suite_text
from ssdbench.schema.report import Gap
from ssdbench.schema.settings import Settings
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.verdict import Comparison, Creep, Difference, OrderEffect, Status
from tests.report.made_up_runs import interleaved_run
from tests.report.test_ci import HOSTILE, SCHEMA, a_comparison, a_verdict
from tests.report.test_contents import some_changes

SUITE = SuiteChange(cases=100, worse_by=0.003, low=0.0025, high=0.0035, p_value=1e-9, confidence=0.999)


def a_creep(against: str = "anchor", crept: int = 2, text: str = "", **changes: object) -> Creep:
    worse = tuple(a_verdict(Status.INCONCLUSIVE, n, text and f"{text}{n}", change=-0.015) for n in range(crept))
    found = Creep(
        against=against,  # type: ignore[arg-type]
        baseline=text or "main",
        run_id=text or "run-0",
        measured_at="2026-01-05T12:00:00+00:00",
        compared_cases=40,
        worse=worse,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def crept(text: str = "") -> Comparison:
    """Nothing regressed; two cases crept away from the anchor, and none from the last release."""
    return replace(
        a_comparison(a_verdict(Status.UNCHANGED, text=text)),
        creep=(a_creep(text=text), a_creep("release", 0, text)),
        suite=SUITE,
    )


@pytest.mark.parametrize(
    ("creep", "sentence"),
    [
        (
            a_creep(),
            "creep: 2 of 40 cases worse by more than 1% since 2026-01-05 (run run-0, the anchor of main); "
            "worst: case-0, -1.5%",
        ),
        (
            a_creep("release", 1, allowed_cases=1),
            "creep: 1 of 40 cases worse by more than 1% since 2026-01-05 (run run-0, the last release of main); "
            "1 case more with an allowed regression; worst: case-0, -1.5%",
        ),
        (
            a_creep("anchor", 0),
            "no creep: no case is worse by more than 1% since 2026-01-05 (run run-0, the anchor of main)",
        ),
        (
            a_creep("anchor", 0, compared_cases=0),
            "creep is not known: no case can be compared with that of 2026-01-05 (run run-0, the anchor of main)",
        ),
    ],
)
def test_creep_is_one_sentence(creep: Creep, sentence: str) -> None:
    assert creep_text(creep, Settings()) == sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "over 100 cases the median change is 0.30% worse (99.9% interval: 0.25% worse to 0.35% worse): the suite "
            "as a whole got worse",
        ),
        (
            {"worse_by": -0.002, "low": -0.003, "high": -0.001},
            "over 100 cases the median change is 0.20% better (99.9% interval: 0.30% better to 0.10% better): the "
            "suite as a whole got better",
        ),
        (
            {"worse_by": 0.00001, "low": -0.001, "high": 0.001},
            "over 100 cases the median change is 0.00% (99.9% interval: 0.10% better to 0.10% worse): no change of "
            "the suite as a whole is shown",
        ),
    ],
)
def test_the_suite_is_one_sentence(changes: dict[str, float], sentence: str) -> None:
    assert suite_text(replace(SUITE, **changes)) == sentence  # type: ignore[arg-type]


def test_the_exit_code_of_creep_is_given_only_where_it_is_asked_for() -> None:
    assert exit_code(crept()) is ExitCode.OK
    assert exit_code(crept(), fail_on_creep=True) is ExitCode.CREPT
    assert exit_code(replace(crept(), creep=(a_creep(crept=0),)), fail_on_creep=True) is ExitCode.OK
    for status, code in ((Status.REGRESSED, 3), (Status.FAILED, 4), (Status.STALE, 10), (Status.INCONCLUSIVE, 10)):
        mixed = replace(crept(), cases=(a_verdict(status),))
        assert exit_code(mixed, fail_on_creep=True) == code


@pytest.mark.parametrize("text", ["", HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.CREPT])
def test_junit_has_a_test_case_for_each_of_the_older_results(text: str, code: ExitCode) -> None:
    document = junit.render(crept(text), code).encode()
    (suite,) = JUnitXml.fromstring(document)
    _, anchor, release = suite
    assert [type(result) for result in anchor.result] == [Failure if code else Skipped]
    assert release.result == []
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (3, int(bool(code)), int(not code), 0)
    assert "-1.5%" in anchor.system_out
    assert etree.fromstring(document).findtext("testsuite/system-out") == suite_text(SUITE)


def test_github_annotations_say_it_as_a_warning_and_as_an_error_where_it_decides() -> None:
    for code, kind in ((ExitCode.OK, "warning"), (ExitCode.CREPT, "error")):
        lines = github_annotations.render(crept(), code).splitlines()
        assert [each.partition(" ")[0] for each in lines] == ["::notice", "::notice", f"::{kind}"]
        assert lines[1].startswith("::notice title=the whole suite::over 100 cases")
        assert lines[2].startswith(f"::{kind} title=creep::2 of 40 cases worse")
    hostile = github_annotations.render(crept(HOSTILE), ExitCode.OK)
    assert [each.partition(" ")[0] for each in hostile.rstrip("\n").split("\n")] == ["::notice"] * 2 + ["::warning"]
    many = replace(crept(), cases=tuple(a_verdict(Status.INCONCLUSIVE, n) for n in range(12)))
    warnings = [x for x in github_annotations.render(many, ExitCode.OK).splitlines() if x.startswith("::warning")]
    assert len(warnings) == 10
    assert warnings[-1].endswith("::and 4 more, see the job's log")


@pytest.mark.parametrize("text", ["", HOSTILE], ids=["plain", "hostile"])
def test_the_github_summary_has_a_table_of_the_cases_that_crept(text: str) -> None:
    shown = github_summary.render(crept(text), ExitCode.OK)
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(shown)
    tree = etree.fromstring(f"<page>{page}</page>".encode())
    _, of_creep, _ = tree.findall("table")
    assert [cell.text for cell in of_creep.find("thead/tr")] == ["case", "anchor", "candidate", "change"]
    assert {len(row) for row in of_creep.iter("tr")} == {4}
    assert len(of_creep.findall("tbody/tr")) == 2
    assert not list(tree.iter("script", "a", "em", "code"))
    paragraphs = ["".join(each.itertext()) for each in tree.iter("p")]
    assert any(each.startswith("Suite: over 100 cases the median change is 0.30% worse") for each in paragraphs)
    assert any(each.startswith("No creep: no case is worse by more than 1%") for each in paragraphs)


@pytest.mark.parametrize("text", ["", HOSTILE], ids=["plain", "hostile"])
def test_prometheus_and_gitlab_read_the_counts(text: str) -> None:
    for render in (openmetrics.render, gitlab_metrics.render):
        found = {f.name: f.samples for f in text_string_to_metric_families(render(crept(text), ExitCode.OK))}
        counts = {sample.labels["against"]: sample.value for sample in found["ssdbench_creep_cases"]}
        assert counts == {"anchor": 2, "release": 0}
        bounds = [found[f"ssdbench_suite_worse{bound}_ratio"][0].value for bound in ("_low", "", "_high")]
        assert bounds == [0.0025, 0.003, 0.0035]
    changes = [sample.value for sample in {f.name: f.samples for f in text_string_to_metric_families(
        openmetrics.render(crept(text), ExitCode.OK))}["ssdbench_creep_change_ratio"]]  # fmt: skip
    assert changes == [-0.015, -0.015]


def test_the_line_has_creep_once_and_only_where_there_is_any() -> None:
    for code in (ExitCode.OK, ExitCode.CREPT):
        text = line.render(crept(), code)
        assert len(text.splitlines()) == 1
        assert text.lower().count("creep: 2 of 40 cases") == 1
        assert "no creep" not in text
        assert "the suite as a whole got worse" in text
    assert "suite" not in line.render(replace(crept(), suite=replace(SUITE, low=-0.001)), ExitCode.OK)


def test_the_json_has_both_as_its_schema_says() -> None:
    document = json.loads(codec.dump(crept()))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert [creep["against"] for creep in document["creep"]] == ["anchor", "release"]
    assert document["suite"]["worse_by"] == 0.003
    assert codec.read(Comparison, codec.dump(crept()), "a test") == crept()


def test_what_was_written_before_has_neither_and_is_read() -> None:
    document = json.loads(codec.dump(a_comparison()))
    del document["creep"], document["suite"]
    assert codec.read(Comparison, json.dumps(document), "a test") == a_comparison()


def test_sixty_lines_are_enough_with_creep_a_suite_and_all_else_at_its_most() -> None:
    run = interleaved_run()
    baseline, candidate = split_arms(run)
    report = report_on(candidate, baseline, compare_arms(run, run.header.settings), {})
    changes = tuple(Difference(name=f"library {n}", baseline="1", candidate="2") for n in range(99))
    gaps = tuple(Gap(title=f"case {n}", what="failed", why="a reason") for n in range(99))
    statuses = (Status.REGRESSED, *(status for status in Status if status is not Status.UNCHANGED))
    cases = (
        *report.comparison.cases[:4],
        *(a_verdict(status, n) for n, status in enumerate(10 * statuses)),
    )
    comparison = replace(report.comparison, cases=cases, differences=changes)
    order = OrderEffect(slower=0.01, low=0.009, high=0.011, pairs=99, sentence="the second launch is slower")
    comparison = replace(comparison, creep=(a_creep(), a_creep("release")), suite=SUITE, order_effect=order)
    comparison = replace(comparison, contents=some_changes())
    text = render_markdown(replace(report, comparison=comparison, gaps=gaps))
    for part in (
        "Suite: over",
        "**Creep: 2 of 40",
        "Where the time goes",
        "Order within pairs",
        "more differences",
        "more that a worker loads",
        "more entries",
    ):
        assert part in text
    assert len(text.splitlines()) <= MOST_LINES


def test_the_page_has_a_section_and_names_hostile_cases_as_text() -> None:
    run = interleaved_run()
    baseline, candidate = split_arms(run)
    report = report_on(candidate, baseline, compare_arms(run, run.header.settings), {})
    plain = render_report(report)
    assert 'id="creep"' not in plain
    creep = (a_creep(text="<script>alert(1)</script>"), a_creep("release", 0))
    tree = etree.HTML(render_report(replace(report, comparison=replace(report.comparison, creep=creep, suite=SUITE))))
    (section,) = tree.xpath('//section[@id="creep"]')
    assert len(section.xpath(".//tbody/tr")) == 2
    assert not section.xpath(".//script")
    assert "No creep: no case is worse by more than 1% since 2026-01-05" in "".join(section.itertext())
    assert tree.xpath('//nav//a[@href="#creep"]')
    (head,) = tree.xpath("//header")
    assert "Suite: over 100 cases the median change is 0.30% worse" in "".join(head.itertext())
