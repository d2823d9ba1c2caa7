"""`ssdbench report`: a run as one HTML file, or as Markdown for an issue."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import OUTPUT, argument, option
from ssdbench.cli.options import (
    DEFAULT_RESULTS,
    BaselineName,
    Margin,
    MaximumAge,
    Results,
    StoreUrl,
    WaiversFile,
    open_store,
)
from ssdbench.cli.streams import print_text, say
from ssdbench.cli.writing import is_standard_output, write
from ssdbench.errors import UsageError
from ssdbench.harness.pictures import read_pictures
from ssdbench.harness.run_setup import trains_for_accuracy
from ssdbench.report.headline import accuracy_headline, evaluation_headline, headline
from ssdbench.workflows.judging import adjust_settings, load_whole
from ssdbench.workflows.reporting import (
    build_accuracy_report,
    build_evaluation_report,
    build_report,
    find_evaluation,
)

DEFAULT_REPORT = Path("report.html")


def report(
    run: Annotated[
        str,
        argument(
            "Run id, the beginning of one if it is unique, a .jsonl file, or latest; or the id of an evaluation.",
            metavar="RUN",
        ),
    ],
    baseline: BaselineName = None,
    output: Annotated[
        Path | None,
        option(f"The HTML file; default: {DEFAULT_REPORT}.", "--output", "-o", metavar="FILE", panel=OUTPUT),
    ] = None,
    markdown: Annotated[
        Path | None,
        option("Write Markdown of at most 60 lines; without -o, instead of HTML.", metavar="FILE", panel=OUTPUT),
    ] = None,
    picture: Annotated[
        list[Path] | None,
        option("A PNG or JPEG to show, such as the one of `evaluate`; may be repeated.", metavar="FILE", panel=OUTPUT),
    ] = None,
    margin: Margin = None,
    maximum_age_days: MaximumAge = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    waivers: WaiversFile = None,
) -> None:
    """Write a self-contained HTML report of a run, or a Markdown summary for an issue or pull request.

    The run is judged as by `compare`, but the exit code is always 0: use `compare` as the gate. The id of an evaluation
    of two images, as `containers evaluate` printed it, makes the HTML report of its answer.
    """
    # Imported here: no other verb needs templates.
    from ssdbench.report import evaluation_page, page, pr_markdown

    pictures = read_pictures(picture or [])
    store = open_store(results, store_url, waivers)
    if (folder := find_evaluation(store, results, run)) is not None:
        if any(given is not None for given in (baseline, markdown, margin, maximum_age_days)):
            raise UsageError(f"{folder.name} is an evaluation of two images: only -o and --picture are for it")
        evaluated = build_evaluation_report(folder, pictures)
        first = evaluation_headline(evaluated.found).text
        _write(output, None, first, lambda: evaluation_page.render_evaluation_report(evaluated), "")
        return
    measured = load_whole(store, run, say)
    if trains_for_accuracy(measured.header.plan):
        if margin is not None or maximum_age_days is not None:
            raise UsageError(f"run {measured.header.run_id} trains for accuracy: --margin and --max-age are for speed")
        trained = build_accuracy_report(store, results, measured, baseline, pictures)
        first, short = accuracy_headline(trained).text, pr_markdown.render_accuracy_markdown(trained)
        _write(output, markdown, first, lambda: page.render_accuracy(trained), short)
        return
    settings = adjust_settings(measured.header.settings, margin, maximum_age_days)
    found = build_report(store, measured, baseline, settings, say, pictures)
    first = headline(found.comparison, found.code).text
    _write(output, markdown, first, lambda: page.render_report(found), pr_markdown.render_markdown(found))


def _write(output: Path | None, markdown: Path | None, first: str, html: Callable[[], str], short: str) -> None:
    # Where a report goes to standard output, nothing else does.
    to_stderr = any(is_standard_output(path) for path in (output, markdown) if path)
    print_text(first, stderr=to_stderr)
    if markdown:
        _put(markdown, short, stderr=to_stderr)
    if output or not markdown:
        _put(output or DEFAULT_REPORT, html(), stderr=to_stderr)


def _put(path: Path, text: str, *, stderr: bool) -> None:
    write(path, text)
    if not is_standard_output(path):
        print_text(f"written: {path}", stderr=stderr)
