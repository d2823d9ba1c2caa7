"""What changed inside an image, in every output: ranked, never called a cause, and text whatever it says."""

import json
from dataclasses import replace

import pytest
from lxml import html as lxml_html

from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare_arms
from ssdbench.cli.printing import Terminal
from ssdbench.errors import ExitCode
from ssdbench.harness.stores import codec
from ssdbench.report.ci import github_summary
from ssdbench.report.contents import SHOWN_IN_TERMINAL, contents_markdown, render_contents, render_manifest
from ssdbench.report.page import render_report
from ssdbench.report.pr_markdown import render_markdown
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.manifest import ContentChange, ContentChanges, ImageManifest, Rank, component_name
from ssdbench.schema.report import Report
from tests.analysis.test_contents import a_manifest, file, python
from tests.hostile import TEXT, commands_in, invisible_in
from tests.report.made_up_runs import interleaved_run

COUNTS: dict[Rank, int] = {"mapped": 12, "loaded": 3, "other": 40}


def some_changes(text: str = "") -> ContentChanges:
    changes = [
        ContentChange(
            key=f"python:{rank}{number}{text}", rank=rank, baseline=f"1.{number}{text}", candidate=f"2.{number}{text}",
            files=(f"lib{number}.so{text}",) if rank == "mapped" else (),
        )
        for rank, count in COUNTS.items()
        for number in range(count)
    ]  # fmt: skip
    return ContentChanges(baseline_image="a", candidate_image="b", changes=tuple(changes), notes=(f"a note{text}",))


def a_report(contents: ContentChanges) -> Report:
    run = interleaved_run()
    baseline, candidate = split_arms(run)
    comparison = replace(compare_arms(run, run.header.settings), contents=contents)
    return report_on(candidate, baseline, comparison, {})


def on_terminal(renderable: object) -> str:
    terminal = Terminal()
    with terminal.capture() as captured:
        terminal.print(renderable)
    return captured.get()


def test_a_terminal_shows_the_first_of_each_rank_and_a_count_of_the_rest():
    shown = on_terminal(render_comparison(a_report(some_changes()).comparison, ExitCode.OK, 200))
    assert "What changed inside the image: 55 changes. " in shown
    assert "None of it is known to be the cause" in " ".join(shown.split())
    assert f"mapped{SHOWN_IN_TERMINAL - 1} (Python)" in shown
    assert f"mapped{SHOWN_IN_TERMINAL} (Python)" not in shown
    assert "and 4 more" in shown
    assert "loaded2 (Python)" in shown
    assert "40 more changes, of which no worker was seen to load" in shown
    assert "other0" not in shown
    everything = on_terminal(render_contents(some_changes(), everything=True))
    assert "mapped11 (Python)" in everything
    assert "other39 (Python)" in everything


def test_a_page_folds_away_what_no_worker_loads():
    page = lxml_html.fromstring(render_report(a_report(some_changes())))
    (section,) = page.xpath("//section[@id='contents']")
    names = [cell.text for cell in section.xpath(".//tbody/tr/th")]
    assert names == [f"{rank}{n} (Python)" for rank, count in COUNTS.items() for n in range(count)]
    folded = [cell.text for cell in section.xpath("./details//tbody/tr/th")]
    assert folded == names[-40:]
    assert section.xpath("./details/summary")[0].text.startswith("40 more changes, of which no worker")
    assert not section.xpath("./details/@open")


def test_markdown_has_the_first_and_counts_of_all_others():
    lines = contents_markdown(some_changes(), 3)
    assert lines[2] == "- mapped0 (Python): 1.0 → 2.0 (mapped: lib0.so)"
    assert lines[5] == (
        "- and 12 more that a worker loads; 40 more changes, of which no worker was seen to load anything"
    )
    assert lines[5] in render_markdown(a_report(some_changes()))
    assert "40 more changes" in github_summary.render(a_report(some_changes()).comparison, ExitCode.OK)


def test_json_has_every_change():
    found = json.loads(codec.dump(a_report(some_changes()).comparison))["contents"]["changes"]
    assert [change["rank"] for change in found] == [rank for rank, count in COUNTS.items() for _ in range(count)]


@pytest.mark.parametrize("contents", [some_changes(TEXT), some_changes()])
def test_no_text_of_an_image_is_more_than_text(contents: ContentChanges):
    report = a_report(contents)
    assert not invisible_in(on_terminal(render_contents(contents, everything=True)))
    for shown in (render_markdown(report), github_summary.render(report.comparison, ExitCode.OK)):
        assert not invisible_in(shown)
        assert not commands_in(shown)
    page = lxml_html.fromstring(render_report(report))
    (section,) = page.xpath("//section[@id='contents']")
    assert not section.xpath(".//script")


def test_nothing_is_said_without_manifests_and_of_equal_images_that_nothing_changed():
    run = interleaved_run()
    baseline, candidate = split_arms(run)
    plain = report_on(candidate, baseline, compare_arms(run, run.header.settings), {})
    assert "What changed inside" not in render_markdown(plain) + render_report(plain)
    same = ContentChanges(baseline_image="a", candidate_image="b")
    assert "What changed inside" not in render_markdown(a_report(same))
    assert "Nothing: packages, loaded files and variables" in render_report(a_report(same))
    assert on_terminal(render_contents(same)).startswith("What changed inside the image: nothing: packages, loaded")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("python:torch", "torch (Python)"), ("debian:libc6", "libc6 (Debian)"), ("variable:A_VERSION", "$A_VERSION"),
        ("interpreter:python", "Python itself"), ("folder:/opt/ucx", "libraries in /opt/ucx"), ("file:/b.py", "/b.py"),
    ],
)  # fmt: skip
def test_components_have_names(key: str, name: str):
    assert component_name(key) == name


def test_a_manifest_shows_what_was_loaded_and_counts_what_is_there():
    manifest: ImageManifest = a_manifest(
        python("torch", "2.1", loaded=True), python("six", "1"), left_out=2, variables={"CUDA_VERSION": "12.1"},
        files=(file("/opt/a.so", "aa"), file("/site/t.so", "bb", "python:torch")),
    )  # fmt: skip
    shown = on_terminal(render_manifest(manifest))
    assert "2 Python distributions, 0 Debian packages, 2 loaded files in launches of 1 case" in " ".join(shown.split())
    for part in ("torch (Python)", "/opt/a.so", "CUDA_VERSION=12.1", "left out: 2 entries"):
        assert part in shown
    assert "six" not in shown
