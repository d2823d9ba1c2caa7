"""Waivers in every output, whatever is written in them and however many there are."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import example, given, settings
from junitparser import JUnitXml, Skipped
from lxml import etree
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.analysis.waivers import apply_waivers
from ssdbench.errors import ExitCode
from ssdbench.report.ci import github_annotations, github_summary, gitlab_metrics, junit, line, openmetrics
from ssdbench.report.headline import headline
from ssdbench.report.page import render_report
from ssdbench.report.pr_markdown import MOST_LINES, render_markdown
from ssdbench.report.waivers import waiver_notes
from ssdbench.schema.verdict import Comparison, Status
from ssdbench.schema.waivers import Waiver
from tests.builders import a_run
from tests.cli.test_hostile_text import ANYTHING
from tests.hostile import TEXT, commands_in, invisible_in
from tests.report.test_ci import HOSTILE, a_comparison, a_verdict

TODAY = date(2026, 6, 15)
SEEN = "no new regression in the 3 judged, 2 of them waived"


def waived(text: str = "known", cases: int = 2, waivers: int = 1) -> Comparison:
    """Regressed cases that are waived, one that is unchanged, and as many waivers that match nothing."""
    judged = [a_verdict(Status.REGRESSED, number) for number in range(cases)]
    every = [
        Waiver(
            entry=number,
            case=f"case-{number}" if number < cases else f"gone {text}",
            ceiling=0.2,
            expires="2026-12-31",
            issue=f"https://example.org/{text}",
            owner=text,
            reason=text,
        )
        for number in range(cases + waivers)
    ]
    return apply_waivers(a_comparison(*judged, a_verdict(Status.UNCHANGED, 999)), every, TODAY)


def markdown_of(comparison: Comparison) -> tuple[str, str]:
    run = a_run()
    report = replace(report_on(run, None, comparison, {}), code=ExitCode.OK)
    return render_markdown(report), github_summary.render(comparison, ExitCode.OK)


def test_the_result_says_what_is_waived() -> None:
    comparison = waived()
    assert exit_code(comparison) is ExitCode.OK
    answer = headline(comparison, ExitCode.OK)
    assert answer.short == (
        "No new regression: 1 of 3 cases stayed within 1% or improved; "
        "2 known regressions waived (worst: case-0, global throughput -10.0%)"
    )
    assert answer.certainty.endswith("Each waived case stays within the ceiling of its waiver.")
    alone = waived(cases=1)
    only = replace(alone, cases=alone.cases[:1])
    assert headline(only, ExitCode.OK).text == (
        "No new regression: 1 known regression waived (case-0, global throughput -10.0%). "
        "Each waived case stays within the ceiling of its waiver."
    )


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (Status.REGRESSED, "1 of 4 cases got worse, case-7: global throughput -10.0%; 2 more waived"),
        (Status.INCONCLUSIVE, f"1 of 4 cases has no clear result; {SEEN}"),
        (Status.FAILED, f"1 of 4 cases did not finish, first case-7; {SEEN}"),
        (Status.NOT_RUN, f"1 of 4 cases was not judged (1 not run); {SEEN}"),
    ],
)
def test_a_waived_case_hides_nothing_of_the_others(status: Status, sentence: str) -> None:
    found = waived()
    comparison = replace(found, cases=(a_verdict(status, 7), *found.cases))
    assert headline(comparison, exit_code(comparison)).sentence == sentence


def kinds(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [token.type for token in tokens] + [
        child.type for token in tokens for child in token.children or () if child.type not in ("text", "text_special")
    ]


@given(ANYTHING)
@example(TEXT)
@example(HOSTILE)
@example("<b>a</b> [a](javascript:b) *c* `d` | e")
@settings(max_examples=60)
def test_no_text_of_a_waiver_is_more_than_text(text: str) -> None:
    comparison, plain = waived(text), waived()
    suite = next(iter(JUnitXml.fromstring(junit.render(comparison, ExitCode.OK).encode())))
    assert [type(result) for case in suite for result in case.result] == [Skipped, Skipped]
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 0, 0, 2)
    annotations = github_annotations.render(comparison, ExitCode.OK).rstrip("\n").split("\n")
    assert [command.partition(" ")[0] for command in annotations] == ["::notice"] * 3 + ["::warning"]
    assert commands_in("\n".join(annotations)) == annotations
    for found, harmless in zip(markdown_of(comparison), markdown_of(plain), strict=True):
        assert kinds(found) == kinds(harmless)
    others = [f(comparison, ExitCode.OK) for f in (junit.render, github_summary.render, line.render)]
    for shown in (*others, *markdown_of(comparison), *annotations):
        assert not invisible_in(shown)
    assert len(line.render(comparison, ExitCode.OK).splitlines()) == 1


@pytest.mark.parametrize("text", [TEXT, HOSTILE])
def test_no_text_of_a_waiver_is_html_or_a_metric(text: str) -> None:
    comparison = waived(text)
    pages = [render_report(report_on(a_run(), None, found, {})) for found in (comparison, waived())]
    hostile, harmless = ([element.tag for element in etree.HTML(page).iter()] for page in pages)
    assert hostile == harmless
    for render in (openmetrics.render, gitlab_metrics.render):
        families = {f.name: f for f in text_string_to_metric_families(render(comparison, ExitCode.OK))}
        states = {sample.labels["state"]: sample.value for sample in families["ssdbench_waivers"].samples}
        assert states == {"used": 2, "unused": 1}


def test_sixty_lines_are_enough_for_any_number_of_waivers() -> None:
    comparison = waived(cases=50, waivers=50)
    assert len(waiver_notes(comparison)) == 50
    short, _ = markdown_of(comparison)
    assert len(short.splitlines()) <= MOST_LINES
    assert "- and 96 more sentences" in short
    annotations = github_annotations.render(comparison, ExitCode.OK).splitlines()
    assert [command.partition(" ")[0] for command in annotations] == ["::notice"] * 10 + ["::warning"] * 10
