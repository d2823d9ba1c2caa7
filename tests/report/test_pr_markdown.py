import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare, compare_arms
from ssdbench.report.pr_markdown import MOST_LINES, render_markdown
from ssdbench.schema.record import Run
from ssdbench.schema.variables import RECORDED
from tests.builders import HOST, a_baseline, a_case, a_failure, a_run
from tests.report.made_up_runs import interleaved_run


def markdown_of(run: Run) -> str:
    reference = a_baseline()
    return render_markdown(report_on(run, reference, compare(run, reference, "main", run.header.settings), {}))


def test_a_run_says_what_got_worse_and_by_how_much():
    run = interleaved_run()
    baseline, candidate = split_arms(run)
    text = render_markdown(report_on(candidate, baseline, compare_arms(run, run.header.settings), {}))
    lines = text.splitlines()
    assert lines[0].startswith("**Regressed:** 4 of 60 cases got worse; worst: train resnet50 dali")
    rows = [line for line in lines if line.startswith("| ") and "regressed" in line]
    assert len(rows) == 4
    assert re.search(r"\| regressed \| -10\.\d% \| -1\d\.\d% to -\d+\.\d% \|", rows[0])
    assert "- torch: 2.10.0 → 2.11.0" in lines
    where = [line for line in lines if line.startswith("- ") and " a step, backward has +" in line]
    assert [line.split(":")[0] for line in where] == [f"- {row.split(' | ')[0][2:]}" for row in rows[:3]]
    assert len(lines) <= MOST_LINES


def test_sixty_lines_are_enough_for_any_run():
    cases = [(a_case(batch_size_per_gpu=size), (0.1, a_failure())) for size in range(1, 200)]
    host = replace(HOST, variables=dict.fromkeys(sorted(RECORDED)[:50], "1"))
    lines = markdown_of(a_run(*cases, host=host)).splitlines()
    assert len(lines) <= MOST_LINES
    assert "- and 189 more cases" in lines
    assert any(re.fullmatch(r"- and \d+ more differences", line) for line in lines)
    assert any(re.fullmatch(r"- and \d+ more entries", line) for line in lines)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a | b", "@someone #1 [x](javascript:y)", "a\n\n# title\n`"]
)
def test_nothing_in_a_record_is_markup(text: str):
    case = a_case(options={"note": text})
    run = a_run((case, (0.1, replace(a_failure(), message=text))), host=replace(HOST, driver=text))
    plain = markdown_of(
        a_run((a_case(options={"note": "x"}), (0.1, replace(a_failure(), message="x"))), host=replace(HOST, driver="x"))
    )
    found, harmless = (
        MarkdownIt("commonmark").enable("table").parse(markdown) for markdown in (markdown_of(run), plain)
    )
    assert [token.type for token in found] == [token.type for token in harmless]
    inline = [token for token in found if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert any(" ".join(text.split()) in "".join(child.content for child in token.children) for token in inline)
