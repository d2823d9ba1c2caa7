"""`ssdbench converge`: train seeds, and judge them against seed distributions."""

from typing import Annotated

import typer

from ssdbench.analysis.convergence.published import published_trainings
from ssdbench.analysis.convergence.seeds import candidates_of
from ssdbench.analysis.convergence.stability import stability
from ssdbench.cli.help import DECIDING, MEASURING, OUTPUT, STORING, VerbApp, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, RunName, StoreUrl, open_store
from ssdbench.cli.printing import Terminal, print_data, print_json, print_line
from ssdbench.cli.streams import print_text, say
from ssdbench.cli.suite_options import TrainingOptions, TrustRun, takes_options
from ssdbench.cli.training_progress import TrainingDisplay
from ssdbench.errors import ExitCode, StoreError
from ssdbench.harness import run_setup
from ssdbench.harness.readers.published import load_published
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.report.convergence import (
    conditions_of,
    render_convergence,
    render_distribution,
    render_distributions,
    render_published,
    render_replaced,
    render_stability,
)
from ssdbench.schema.text import pluralize
from ssdbench.workflows.judging import load_run
from ssdbench.workflows.seeds import (
    accept_seeds,
    draw_seeds,
    finished_trainings,
    judge_seeds,
    setup_to_resume,
    verdict_exit_code,
)
from ssdbench.workflows.training import exit_code, plan_seeds, train_seeds

app = VerbApp(
    """Train several seeds of a recipe, and judge their accuracy against a seed distribution.

    Without a command, seeds are trained. Every epoch is stored; with --resume an interrupted seed continues where it
    stopped. Without --suite and without options of an ad hoc recipe, the suite `convergence` is trained: the published
    recipe. A LIST is one value, or several separated by commas.
    """,
    runs_alone=True,
)

NameArgument = Annotated[str, argument("Name of a distribution.", "NAME")]


@app.callback(invoke_without_command=True)
@takes_options
def converge(
    options: TrainingOptions,
    context: typer.Context,
    seeds: Annotated[
        int | None, option("Seeds to train; with --resume, how many in total.", metavar="N", panel=MEASURING)
    ] = None,
    resume: Annotated[bool, option("Continue the newest run of seeds.", "--resume", panel=MEASURING)] = False,
    run_id: Annotated[
        str | None, option("With --resume: continue this run.", "--run", metavar="RUN", panel=MEASURING)
    ] = None,
    dry_run: Annotated[
        bool, option("Print what would be trained, without training.", "--dry-run", panel=OUTPUT)
    ] = False,
    trust_run: TrustRun = False,
) -> None:
    """Train several seeds, unless a command is given; the help is that of `app`."""
    if context.invoked_subcommand is not None:
        return
    store = options.store()
    options.refuse_run_without_resume(run_id, resume=resume)
    if resume:
        options.refuse_cases_to_resume()
        setup = setup_to_resume(store, run_id, options.resumed_suite(), options.trust(everything=trust_run))
    else:
        suite = options.suite()
        setup = run_setup.new_setup(suite, options.run_options(suite), options.seed, cases=options.case or ())
    if dry_run:
        _print_plan(plan_seeds(setup, seeds))
        return
    display = TrainingDisplay(options.store_words(store))
    run = train_seeds(store, setup, options.results, display, seeds=seeds, parallel=options.parallel or 1)
    if any(record.training is not None and record.training.results for record in run.records):
        path = draw_seeds(options.results, run.header.run_id, candidates_of(run), None)
        print_line(Terminal(), f"curves: {path}")
    raise typer.Exit(exit_code(run))


@app.command()
def check(
    run: RunName,
    baseline: Annotated[str, option("Distribution to judge against.", metavar="NAME", panel=DECIDING)],
    epoch: Annotated[
        int | None,
        option(
            "Judge early, after this epoch (from 0): this can fail a run, but never passes one.",
            min=0,
            metavar="N",
            panel=DECIDING,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        option(
            "Relative change of AP that matters; default: 0.02, with five seeds or more 0.01.",
            metavar="FRACTION",
            panel=DECIDING,
        ),
    ] = None,
    as_json: Json = False,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Judge all seeds of a run against a seed distribution, and draw their curves with its band.

    Exit code: 3 regressed, 4 a seed failed, 5 inconclusive, 6 no such distribution or not comparable with it, 0
    unchanged or improved; an improvement beyond the spread of seeds is worth a look.
    """
    runs = open_store(results, store_url)
    store, measured = DistributionStore(runs.archive), load_run(runs, run, say)
    candidates = candidates_of(measured)
    if not store.has(baseline):
        there = ", ".join(header.name for header in store.headers()) or "none yet"
        print_text(
            f"ssdbench: no distribution {baseline!r} in {store.name}; there are: {there} "
            "(`ssdbench converge accept` makes one)",
            stderr=True,
        )
        raise typer.Exit(ExitCode.NOT_COVERED)
    distribution = store.load(baseline)
    verdict = judge_seeds(candidates, distribution, epoch=epoch, margin=margin)
    path = draw_seeds(results, measured.header.run_id, candidates, distribution)
    if as_json:
        print_json(codec.dump(verdict))
    else:
        console = Terminal()
        console.print(render_convergence(verdict))
        print_line(console, f"\ncurves: {path}")
    raise typer.Exit(verdict_exit_code(verdict.status))


@app.command()
def accept(
    runs: Annotated[list[str], argument("Accuracy runs of one recipe.", "RUN")],
    name: Annotated[str, option("Name of the distribution.", metavar="NAME", panel=STORING)],
    reason: Annotated[str, option("Why to compare with these seeds from now on.", metavar="TEXT", panel=DECIDING)],
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Make the seeds of accuracy runs a distribution to judge others against; show what it replaces."""
    measured, console = open_store(results, store_url), Terminal()
    loaded = [load_run(measured, run, say) for run in runs]
    done = accept_seeds(DistributionStore(measured.archive), loaded, name=name, reason=reason)
    new = stability(done.distribution.seeds)
    console.print(render_distribution(done.distribution.header, new))
    if done.replaced is not None:
        print_line(console, "\nreplaces:")
        console.print(render_replaced(stability(done.replaced.seeds), new))
    print_line(console, f"\naccepted: {len(done.distribution.seeds)} seeds in {done.path}")


@app.command(name="list")
def list_all(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None, as_json: Json = False) -> None:
    """List all distributions."""
    store = DistributionStore(open_store(results, store_url).archive)
    headers = store.headers()
    if not headers:
        raise StoreError(
            f"{store.name}: there are no distributions yet; accept seeds with `ssdbench converge accept RUN --name ...`"
        )
    if as_json:
        print_data({"distributions": headers})
    else:
        Terminal().print(render_distributions(headers))


@app.command()
def show(
    name: NameArgument, results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None, as_json: Json = False
) -> None:
    """Show one distribution: what was trained, why it was accepted, and its stability."""
    distribution = DistributionStore(open_store(results, store_url).archive).load(name)
    row = stability(distribution.seeds)
    if as_json:
        print_data({"header": distribution.header, "stability": row})
    else:
        Terminal().print(render_distribution(distribution.header, row))


@app.command()
def table(
    source: Annotated[str, argument("A run, or the name of a distribution.", "RUN|NAME")],
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Print the stability table of NVIDIA's model card: the final mAP over seeds, computed from their curves."""
    measured = open_store(results, store_url)
    store = DistributionStore(measured.archive)
    if store.has(source):
        distribution = store.load(source)
        trainings, precision = list(distribution.seeds), distribution.header.recipe.case.precision
    else:
        trainings, precision = finished_trainings(candidates_of(load_run(measured, source, say)))
    row = stability(trainings)
    if as_json:
        print_data({"precision": precision, "stability": row})
    else:
        Terminal().print(render_stability({precision: row}, conditions_of(row)))


@app.command()
def published(results: Results = DEFAULT_RESULTS, as_json: Json = False) -> None:
    """Show the accuracy that NVIDIA published for each container, with the errors found in the tables."""
    found = published_trainings(load_published(results))
    if as_json:
        print_data({"trainings": found})
    else:
        Terminal().print(render_published(found))


def _print_plan(setup: RunSetup) -> None:
    """Print the recipe, and how many seeds are left to train."""
    console, (planned,) = Terminal(), setup.plan.cases
    trained = {record.launch for record in (setup.resumed.records if setup.resumed else ()) if not record.failure}
    left = [slot.launch for slot in setup.plan.order if slot.launch not in trained]
    print_line(console, f"Suite {setup.plan.suite} on {setup.machine.hardware.key}")
    for remark in setup.machine.remarks:
        print_line(console, remark)
    if planned.skip_reason is not None:
        print_line(console, f"skipped: {planned.case.title}: {planned.skip_reason}")
        return
    before = f", {pluralize(len(trained), 'seed')} before" if setup.resumed else ""
    print_line(console, f"{planned.case.title}: {pluralize(len(left), 'seed')} to train{before}")
