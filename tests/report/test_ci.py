"""Every file for a CI system, read back by a parser that is not ours."""

import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from lxml import etree
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ssdbench.analysis.verdicts.compare import compare, exit_code
from ssdbench.errors import ExitCode
from ssdbench.harness.stores import codec
from ssdbench.report.ci import github_annotations, github_summary, gitlab_metrics, junit, line, openmetrics
from ssdbench.report.outcome import Outcome, outcome
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Difference, Status, Verdict
from tests.builders import a_case, a_failure, a_run, no_memory, stored_sessions

SCHEMA = json.loads((Path(__file__).parents[2] / "ssdbench/resources/json_schema/comparison.schema.json").read_text())
HOSTILE = (
    "<script>alert(1)</script> & ]]> \x00\x08\x1b[31m | % \r\n::error::x , : # \\ \" ' {} `a` \ud800 \u202egnp.exe "
    "\u2028 \u05e9\u05dc\u05d5\u05dd $1_2 *b* @user \ufffe"
)


def a_comparison(*cases: CaseVerdict) -> Comparison:
    return Comparison(
        schema_version=SCHEMA_VERSION, run_id="run-1", hardware_key="cpu-2x", baseline="main", baseline_run_id="run-0",
        settings=Settings(), cases=cases, differences=(Difference(name="torch", baseline="2.10", candidate="2.11"),),
    )  # fmt: skip


def a_verdict(status: Status, number: int = 0, text: str = "", **changes: object) -> CaseVerdict:
    verdict = Verdict(
        status=status, metric="throughput", sentence=text or f"because of {status.value}", settings=Settings(),
        baseline_value=20.0, candidate_value=18.0, change=-0.1, low=-0.11, high=-0.09, baseline_launches=5,
        candidate_launches=5,
    )  # fmt: skip
    key = text or f"case-{number}"
    return CaseVerdict(case_key=key, title=key, verdict=replace(verdict, **changes))  # type: ignore[arg-type]


EVERY = a_comparison(*(a_verdict(status, number) for number, status in enumerate(Status)))
HOSTILE_COMPARISON = replace(
    a_comparison(a_verdict(Status.REGRESSED, text=HOSTILE), a_verdict(Status.FAILED, text=HOSTILE + "2")),
    run_id=HOSTILE, baseline=HOSTILE, differences=(Difference(name=HOSTILE, baseline="|", candidate="`"),),
)  # fmt: skip


def judged() -> Iterator[Comparison]:
    """Comparisons as `compare` makes them, of every exit code."""
    a, b = a_case(), a_case(workload="infer")
    same, slower, noisy = (0.1, 0.1001, 0.0999), (0.12, 0.1201, 0.1199), (0.08, 0.1, 0.12)
    unfit = (no_memory(),) * 3
    baseline = stored_sessions(a_run((a, same), (b, same), run_id="run-0"))
    only_a = stored_sessions(a_run((a, same), run_id="run-0"))
    skipped = PlannedCase(case=b, skip_reason="no GPU here")
    for run, reference in (
        (a_run((a, same), (b, same)), baseline),
        (a_run((a, slower), (b, same)), baseline),
        (a_run((a, (a_failure(),)), (b, same)), baseline),
        (a_run((a, noisy), (b, same)), baseline),
        (a_run((a, same), (b, ())), baseline),
        (a_run((a, same)), baseline),
        (a_run((a, same), (b, same)), None),
        (a_run((a, same), (skipped, ())), only_a),
        (a_run((a, same), (skipped, ())), baseline),
        (a_run((skipped, ())), None),
        (a_run((a, same), (b, unfit)), baseline),
        (a_run((a, same), (b, unfit)), stored_sessions(a_run((a, same), (b, unfit), run_id="run-0"))),
        (a_run((a, same), (b, same)), stored_sessions(a_run((a, same), (b, unfit), run_id="run-0"))),
        (a_run((b, unfit)), stored_sessions(a_run((a, same), (b, unfit), run_id="run-0"))),
    ):
        yield compare(run, reference, "main", Settings())


def junit_of(comparison: Comparison) -> TestSuite:
    text = junit.render(comparison, exit_code(comparison))
    assert etree.fromstring(text.encode()).tag == "testsuites"
    (suite,) = JUnitXml.fromstring(text.encode())
    return suite


def test_junit_has_a_test_case_for_each_case_with_its_result():
    suite = junit_of(EVERY)
    kinds = {case.name: [type(result) for result in case.result] for case in suite}
    expected = {
        Status.UNCHANGED: [],
        Status.IMPROVED: [],
        Status.FITS_NOW: [],
        Status.DOES_NOT_FIT: [Skipped],
        Status.WAIVED: [Skipped],
        Status.SCREENED: [Skipped],
        Status.LEFT_OUT: [Skipped],
        Status.FAILED: [Error],
        Status.SKIPPED: [Failure],  # the baseline has the case: coverage was lost
    }
    for number, status in enumerate(Status):
        assert kinds[f"case-{number}: global throughput"] == expected.get(status, [Failure]), status
    assert (suite.tests, suite.errors, suite.failures, suite.skipped) == (17, 1, 9, 4)
    regressed = next(case for case in suite if case.name.startswith(f"case-{list(Status).index(Status.REGRESSED)}:"))
    assert (regressed.result[0].type, regressed.result[0].message) == ("regressed", "because of regressed")
    assert "change: -10.0% (-11.0..-9.0%)" in regressed.system_out


def test_a_skipped_case_that_the_baseline_does_not_have_is_skipped_with_its_reason():
    skipped = a_verdict(Status.SKIPPED, 1, baseline_launches=0)
    _, case = junit_of(a_comparison(a_verdict(Status.UNCHANGED), skipped))
    (result,) = case.result
    assert isinstance(result, Skipped)
    assert result.message == "because of skipped"


def test_junit_has_failures_or_errors_exactly_where_the_exit_code_is_not_0():
    codes = []
    for comparison in judged():
        suite = junit_of(comparison)
        codes.append(exit_code(comparison))
        assert (suite.failures + suite.errors > 0) == (codes[-1] is not ExitCode.OK)
        assert suite.failures == sum(isinstance(r, Failure) for case in suite for r in case.result)
        assert suite.tests == len(list(suite))
    assert set(codes) == {
        ExitCode.OK,
        ExitCode.REGRESSED,
        ExitCode.CASE_FAILED,
        ExitCode.INCONCLUSIVE,
        ExitCode.NOT_COVERED,
    }


def test_nothing_undecided_is_a_pass():
    passes = {case.verdict.status for case in EVERY.cases if outcome(case.verdict) is Outcome.PASSED}
    assert passes == {Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW, Status.WAIVED}


def test_what_was_allowed_by_name_is_skipped_and_nothing_else():
    skipped = {case.verdict.status for case in EVERY.cases if outcome(case.verdict, ("stale",)) is Outcome.SKIPPED}
    assert skipped == {Status.STALE, Status.DOES_NOT_FIT, Status.SCREENED, Status.LEFT_OUT}


def test_hostile_text_stays_text_in_junit():
    suite = junit_of(HOSTILE_COMPARISON)
    (first, second) = suite
    assert "<script>alert(1)</script> & ]]>" in first.name
    assert "\N{REPLACEMENT CHARACTER}" in first.name
    assert (len(first.result), len(second.result)) == (1, 1)


def test_github_annotations_are_one_command_a_line_whatever_the_text():
    text = github_annotations.render(HOSTILE_COMPARISON, ExitCode.REGRESSED)
    commands = text.rstrip("\n").split("\n")
    assert [command.partition(" ")[0] for command in commands] == ["::notice", "::error", "::error"]
    for command in commands[1:]:
        properties, _, message = command[2:].partition("::")
        name, _, title = properties.partition(" ")[2].partition("=")
        assert name == "title"
        assert not set(title) & {",", ":", "\r", "\n"}
        # Decoded in the order of GitHub's runner, the text is what it was, but for how its lines ended.
        decoded = message.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        assert "% \n::error::x , : # \\" in decoded
        assert "| %25 %0A::error::x" in message
        assert "%3A" in title
        assert "%2C" in title


def test_github_shows_ten_annotations_so_the_tenth_counts_the_rest():
    many = a_comparison(*(a_verdict(Status.REGRESSED, n) for n in range(12)))
    errors = [x for x in github_annotations.render(many, ExitCode.REGRESSED).splitlines() if x.startswith("::error")]
    assert len(errors) == 10
    assert errors[-1].endswith("::and 3 more, see the job's log")
    undecided = a_comparison(a_verdict(Status.INCONCLUSIVE))
    assert "::warning " in github_annotations.render(undecided, ExitCode.INCONCLUSIVE)


@pytest.mark.parametrize("comparison", [EVERY, HOSTILE_COMPARISON], ids=["every status", "hostile"])
def test_the_github_summary_is_a_table_of_all_cases(comparison: Comparison):
    text = github_summary.render(comparison, ExitCode.REGRESSED)
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tree = etree.fromstring(f"<page>{page}</page>".encode())
    cases, differences = tree.findall("table")
    assert len(cases.findall("tbody/tr")) == len(comparison.cases)
    assert {len(row) for row in cases.iter("tr")} == {6}
    assert {len(row) for row in differences.iter("tr")} == {3}
    assert not list(tree.iter("script", "a", "em", "code"))


def test_a_summary_of_thousands_of_cases_stays_below_what_github_takes():
    many = a_comparison(*(a_verdict(Status.REGRESSED, n, "a long sentence " * 100 + str(n)) for n in range(3000)))
    text = github_summary.render(many, ExitCode.REGRESSED)
    assert len(text.encode()) < 2**20
    assert "2800 more cases, none of them worse." in text


@pytest.mark.parametrize("comparison", [EVERY, HOSTILE_COMPARISON], ids=["every status", "hostile"])
def test_openmetrics_is_read_by_prometheus(comparison: Comparison):
    families = {f.name: f for f in text_string_to_metric_families(openmetrics.render(comparison, ExitCode.REGRESSED))}
    values = families["ssdbench_throughput_images_per_second"]
    assert (values.unit, values.type) == ("images_per_second", "gauge")
    assert [sample.value for sample in values.samples] == [18.0] * len(comparison.cases)
    assert families["ssdbench_baseline_throughput_images_per_second"].samples[0].value == 20.0
    assert families["ssdbench_exit_code"].samples[0].value == 3
    passed = {s.labels["verdict"]: s.value for s in families["ssdbench_passed"].samples}
    assert {name for name, value in passed.items() if value} <= {"unchanged", "improved", "fits_now", "waived"}


def test_no_label_of_a_sample_is_another_one_for_each_run():
    run = replace(EVERY, run_id="this-run", baseline="that-run", baseline_run_id="that-run")
    text = openmetrics.render(run, ExitCode.REGRESSED)
    named = {f.name for f in text_string_to_metric_families(text) for s in f.samples if "this-run" in s.labels.values()}
    assert named == {"ssdbench_run"}
    assert "that-run" not in text


@pytest.mark.parametrize("comparison", [EVERY, HOSTILE_COMPARISON], ids=["every status", "hostile"])
def test_gitlab_metrics_are_openmetrics_and_survive_what_gitlab_does_to_a_line(comparison: Comparison):
    text = gitlab_metrics.render(comparison, ExitCode.REGRESSED)
    assert {f.name for f in text_string_to_metric_families(text)} == {
        "ssdbench_throughput_images_per_second", "ssdbench_passed", "ssdbench_exit_code",
    }  # fmt: skip
    # GitLab cuts at "#", splits as a shell does, and takes the first word for the name and the second for the value.
    words = [shlex.split(re.sub("#.*$", "", row)) for row in text.splitlines()]
    metrics = {found[0]: found[1] for found in words if found}
    assert {len(found) for found in words if found} == {2}
    assert len(metrics) == 2 * len(comparison.cases) + 1
    assert "run" not in text.replace("unchanged", "")


def test_the_line_for_a_chat_is_one_line_and_says_what_happened():
    judged = tuple(case for case in EVERY.cases if case.verdict.status is not Status.INCONCLUSIVE)
    text = line.render(replace(HOSTILE_COMPARISON, cases=judged), ExitCode.OK)
    assert len(text.splitlines()) == 1
    assert line.render(replace(EVERY, cases=judged), ExitCode.OK).startswith(
        "ssdbench: No new regression: 2 of 16 cases"
    )
    # `ssdbench nightly` ends with 0 and a warning.
    assert line.render(EVERY, ExitCode.OK).startswith("ssdbench: Inconclusive: 1 of 17 cases has no clear result")


def test_the_json_of_every_comparison_is_as_its_schema_says():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for comparison in [*judged(), EVERY]:
        validator.validate(json.loads(codec.dump(comparison)))
    broken = json.loads(codec.dump(EVERY))
    del broken["cases"][0]["verdict"]["status"]
    assert not validator.is_valid(broken)


def test_the_document_is_utf_8_whatever_it_holds():
    for render in (junit.render, github_annotations.render, github_summary.render, line.render, openmetrics.render):
        io.StringIO(render(HOSTILE_COMPARISON, ExitCode.REGRESSED)).read().encode("utf-8")
