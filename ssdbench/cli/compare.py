"""`ssdbench compare`: judge a run against a baseline, or against another run."""

from typing import Annotated

import typer

from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.cli.help import OUTPUT, option
from ssdbench.cli.options import (
    DEFAULT_RESULTS,
    BaselineName,
    FailOnCreep,
    Json,
    Margin,
    MaximumAge,
    Results,
    RunName,
    StoreUrl,
    WaiversFile,
    open_store,
)
from ssdbench.cli.outputs import NAMES, outputs_of, write_outputs
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.streams import say
from ssdbench.cli.writing import is_standard_output
from ssdbench.errors import ExitCode
from ssdbench.harness.stores import codec
from ssdbench.report.explanation_terminal import render_explanations
from ssdbench.report.terminal import render_comparison
from ssdbench.report.ungated import render_ungated
from ssdbench.schema.verdict import Comparison
from ssdbench.workflows.explained import explanations
from ssdbench.workflows.judging import adjust_settings, judge_run, load_whole
from ssdbench.workflows.manifests import with_contents


def compare(
    run: RunName,
    baseline: BaselineName = None,
    margin: Margin = None,
    maximum_age_days: MaximumAge = None,
    fail_on_creep: FailOnCreep = False,
    all_metrics: Annotated[
        bool, option("Also report the metrics that are not gated, with their intervals.", "--metrics", panel=OUTPUT)
    ] = False,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    waivers: WaiversFile = None,
    as_json: Json = False,
    output: Annotated[
        list[str] | None,
        option(
            "Also write the comparison to a file; may be repeated. With - as the file it is printed instead of the "
            f"table. Formats: {', '.join(NAMES)}.",
            metavar="FORMAT=FILE",
            panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Judge a run against a baseline of the same hardware, against another run, or against its own baseline arm.

    Exit code, the first that applies: 3 regressed, 4 failed, 10 crept (with --fail-on-creep), 6 not covered, 5
    inconclusive, else 0.
    """
    outputs = outputs_of(output or ())
    store = open_store(results, store_url, waivers)
    measured = load_whole(store, run, say)
    settings = adjust_settings(measured.header.settings, margin, maximum_age_days)
    judgement = with_contents(store, judge_run(store, measured, baseline, settings).with_creep(store))
    comparison = judgement.with_ungated() if all_metrics else judgement.comparison
    code = exit_code(comparison, fail_on_creep=fail_on_creep)
    write_outputs(outputs, comparison, code)
    if as_json:
        print_json(codec.dump(comparison))
    elif not any(is_standard_output(path) for _, path in outputs):
        print_verdicts(comparison, code)
        if found := explanations(store, judgement):
            Terminal().print(render_explanations(found, short=True))
    raise typer.Exit(code)


def print_verdicts(comparison: Comparison, code: ExitCode) -> None:
    """Print the verdicts on a run, and its distance from older results."""
    console = Terminal()
    console.print(render_comparison(comparison, code, console.width))
    if comparison.ungated:
        console.print(render_ungated(comparison.ungated))
