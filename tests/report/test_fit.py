"""Cases that do not fit into the GPU's memory, fit now or no longer fit are named in every output."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from junitparser import JUnitXml

from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.compare import compare, exit_code
from ssdbench.errors import ExitCode
from ssdbench.report.ci import github_annotations, github_summary, gitlab_metrics, junit, line, openmetrics
from ssdbench.report.page import render_report
from ssdbench.report.pr_markdown import render_markdown
from ssdbench.schema.record import Failure, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, Comparison
from tests.builders import a_case, a_run, no_memory, stored_sessions
from tests.cli.running import accept, keep, ssdbench, the_baseline

SMALL, LARGE = a_case(device="cuda"), a_case(device="cuda", batch_size_per_gpu=64)
SAME: Sequence[float | Failure] = (0.1, 0.1001, 0.0999)
NONE: Sequence[float | Failure] = (no_memory(),) * 3


def run_of(large: Sequence[float | Failure], run_id: str) -> Run:
    return a_run((SMALL, SAME), (LARGE, large), run_id=run_id)


Case = tuple[Run, Baseline, Comparison, ExitCode]
SIDES = {
    "no longer fits": (SAME, NONE),
    "fits now": (NONE, SAME),
    "does not fit": (NONE, NONE),
}


@pytest.fixture(params=SIDES)
def found(request: pytest.FixtureRequest) -> tuple[str, Case]:
    there, here = SIDES[request.param]
    run, baseline = run_of(here, "run-1"), stored_sessions(run_of(there, "run-0"))
    comparison = compare(run, baseline, "main", Settings(margin=0.05))
    return request.param, (run, baseline, comparison, exit_code(comparison))


def html(case: Case) -> str:
    run, baseline, comparison, _ = case
    return render_report(report_on(run, baseline, comparison, {}))


def markdown(case: Case) -> str:
    run, baseline, comparison, _ = case
    return render_markdown(report_on(run, baseline, comparison, {}))


OUTPUTS: dict[str, Callable[[Case], str]] = {
    "HTML": html,
    "Markdown": markdown,
    "JUnit": lambda case: junit.render(case[2], case[3]),
    "GitHub's summary": lambda case: github_summary.render(case[2], case[3]),
    "GitHub's annotations": lambda case: github_annotations.render(case[2], case[3]),
    "chat": lambda case: line.render(case[2], case[3]),
    "OpenMetrics": lambda case: openmetrics.render(case[2], case[3]).replace("_", " "),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_has_the_words(output: str, found: tuple[str, Case]):
    words, case = found
    text = OUTPUTS[output](case)
    said = {"fits now": "fits into the GPU's memory now", "does not fit": "does not fit into the GPU's memory, as"}
    assert words in text or said.get(words, "?") in text.replace("&#39;", "'").replace("&#x27;", "'")


def test_only_what_no_longer_fits_fails_a_job(found: tuple[str, Case]):
    words, (_, _, comparison, code) = found
    assert code is (ExitCode.REGRESSED if words == "no longer fits" else ExitCode.OK)
    (suite,) = JUnitXml.fromstring(junit.render(comparison, code).encode())
    assert (suite.failures, suite.errors, suite.skipped) == {
        "no longer fits": (1, 0, 0),
        "fits now": (0, 0, 0),
        "does not fit": (0, 0, 1),
    }[words]
    assert ("::error" in github_annotations.render(comparison, code)) == (words == "no longer fits")
    assert "::warning" not in github_annotations.render(comparison, code)
    passed = {line.split()[-1] for line in gitlab_metrics.render(comparison, code).splitlines() if "bs64" in line}
    assert ("1.0" in passed) == (words == "fits now")


@pytest.mark.parametrize("columns", [80, 160])
def test_the_command_says_it_with_its_exit_code_and_in_json(tmp_path: Path, columns: int):
    keep(tmp_path, run_of(SAME, "run-0"), run_of(NONE, "run-1"))
    outcome = ssdbench("compare", "run-1", "--baseline", "run-0", "--results", tmp_path, columns=columns)
    assert outcome.code == 3
    assert "no longer fits" in outcome.words
    assert "CUDA out of memory" in outcome.words
    outcome = ssdbench("compare", "run-0", "--baseline", "run-1", "--results", tmp_path, "--json")
    statuses = {case["case_key"]: case["verdict"]["status"] for case in json.loads(outcome.out)["cases"]}
    assert statuses[LARGE.key] == "fits_now"


def test_a_case_that_does_not_fit_is_accepted_shown_and_compared(tmp_path: Path):
    keep(tmp_path, run_of(NONE, "run-0"))
    note = tmp_path / "note.md"
    outcome = accept(tmp_path, "run-0", "--note", str(note))
    assert outcome.code == 0
    assert f"kept as not fitting into the GPU's memory: {LARGE.title}" in outcome.words
    assert "Cases that do not fit into the GPU's memory" in note.read_text()
    assert len(the_baseline(tmp_path).records) == 6
    assert "does not fit into the GPU's memory: train" in ssdbench("baseline", "show", "--results", tmp_path).words
    assert ssdbench("baseline", "verify", "--results", tmp_path).code == 0
    keep(tmp_path, run_of(NONE, "run-1"))
    outcome = ssdbench("compare", "run-1", "--results", tmp_path)
    assert outcome.code != 4
    assert "does not fit" in outcome.words


def test_a_case_without_room_is_given_up_only_when_told_to(tmp_path: Path):
    keep(tmp_path, run_of(SAME, "run-0"), run_of(NONE, "run-1"))
    accept(tmp_path, "run-0")
    outcome = accept(tmp_path, "run-1", reason="the workspace of the new cuDNN")
    assert outcome.code == 2
    assert "no longer fits it into the GPU's memory" in outcome.err
    assert accept(tmp_path, "run-1", "--drop-cases", reason="the workspace of the new cuDNN").code == 0
    assert the_baseline(tmp_path).history[-1].dropped == (LARGE.key,)
