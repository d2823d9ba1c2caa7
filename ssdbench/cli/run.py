"""`ssdbench run`: measure a suite or an ad hoc grid, and store what was measured."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.cli.compare import print_verdicts
from ssdbench.cli.help import DECIDING, MEASURING, OUTPUT, option
from ssdbench.cli.options import Budget, FailOnCreep, WaiversFile
from ssdbench.cli.plan import print_plan
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.run_ending import print_ending
from ssdbench.cli.suite_options import SuiteOptions, TrustRun, takes_options
from ssdbench.cli.writing import require_writable, write
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.baseline_arm import choose_baseline_arm
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.harness.trust import Trust
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.record import BaselineArm, Run
from ssdbench.workflows import measuring
from ssdbench.workflows.deciding import deadline_of, is_unfinished, name_of_reference
from ssdbench.workflows.judging import judge_run

Decide = Annotated[
    bool, option("Measure pairs with a baseline that runs now, until decided.", "--decide", panel=DECIDING)
]
UntilDecided = Annotated[bool, option("Add launches until --baseline can decide.", "--until-decided", panel=DECIDING)]
BaselinePython = Annotated[
    str | None, option("With --decide: interpreter that measures the baseline.", metavar="FILE", panel=DECIDING)
]
BaselineCheckout = Annotated[
    Path | None, option("With --decide: ssdbench checkout of the baseline.", metavar="FOLDER", panel=DECIDING)
]
BaselineRun = Annotated[
    str | None, option("With --decide: the environment of this stored run.", metavar="RUN", panel=DECIDING)
]
StoredBaseline = Annotated[
    str | None,
    option(
        f"With --compare: what to compare with; with --until-decided: what decides; default: {DEFAULT_BASELINE}.",
        "--baseline",
        metavar="NAME|RUN",
        panel=DECIDING,
    ),
]

Compare = Annotated[
    bool,
    option("Then judge this run, as `ssdbench compare` does, and end with its exit code.", "--compare", panel=DECIDING),
]
IdFile = Annotated[
    Path | None,
    option("Write the id of this run to a file, for the commands after this one.", metavar="FILE", panel=OUTPUT),
]


@takes_options
def run(
    options: SuiteOptions,
    resume: Annotated[bool, option("Continue the newest unfinished run.", "--resume", panel=MEASURING)] = False,
    run_id: Annotated[
        str | None, option("With --resume: continue this run.", "--run", metavar="RUN", panel=MEASURING)
    ] = None,
    dry_run: Annotated[bool, option("Print the plan without measuring.", "--dry-run", panel=OUTPUT)] = False,
    decide: Decide = False,
    baseline_python: BaselinePython = None,
    baseline_checkout: BaselineCheckout = None,
    baseline_run: BaselineRun = None,
    until_decided: UntilDecided = False,
    baseline: StoredBaseline = None,
    budget: Budget = None,
    compare: Compare = False,
    fail_on_creep: FailOnCreep = False,
    waivers: WaiversFile = None,
    id_file: IdFile = None,
    trust_run: TrustRun = False,
) -> None:
    """Measure a suite or an ad hoc grid on this machine; each launch is stored as soon as it ends.

    A LIST is one value, or several separated by commas. Ctrl-C keeps what is measured; --resume continues. Exit code:
    4 a launch failed, else 0; with --compare, --decide and --until-decided as `ssdbench compare`.
    """
    store, deadline = options.store(waivers), deadline_of(budget)
    if fail_on_creep and not (compare or decide or until_decided or resume):
        raise UsageError("--fail-on-creep is for runs that are judged: give --compare, --decide or --until-decided")
    trust = options.trust(everything=trust_run, baseline_python=baseline_python, baseline_checkout=baseline_checkout)
    options.refuse_run_without_resume(run_id, resume=resume)
    _refuse_mixed(resume=resume, decide=decide, until_decided=until_decided, baseline=baseline, compare=compare)
    # A typing error is reported before hours of measuring, and `latest` is not the run that is about to begin.
    baseline = baseline and name_of_reference(store, baseline)
    if resume:
        options.refuse_cases_to_resume()
        setup = run_setup.resumed_setup(store, run_id, options.resumed_suite(), partial(_is_unfinished, store), trust)
    else:
        suite = options.suite()
        if decide and options.launches is not None:
            raise UsageError("--decide measures as many pairs as the verdict rule asks for: omit --launches")
        against = name_of_reference(store, baseline) if until_decided else None
        baseline_arm = _baseline_arm(
            store, trust, decide=decide, python=baseline_python, checkout=baseline_checkout, run=baseline_run
        )
        kept = replace(options.run_options(suite), until_decided=against, budget=budget)
        setup = run_setup.new_setup(suite, kept, options.seed, baseline_arm, cases=options.case or ())
    run_setup.require_speed(setup.plan)
    if dry_run:
        print_plan(setup, measuring.predict(store, setup))
        return
    require_writable(id_file)
    if compare:
        read_waivers(store.waivers_file)  # a mistake in it is told before hours are spent
    display = TerminalDisplay(options.store_words(store))
    begun = measuring.begin(store, setup, display)
    if id_file is not None:
        # Before the first launch: a run that is killed can be named as well.
        write(id_file, f"{begun.header.run_id}\n")
    measured = measuring.finish(begun, display, deadline_seconds=deadline)
    code = measured.exit_code
    if measured.comparison is not None:
        code = exit_code(measured.comparison, fail_on_creep=fail_on_creep)
    elif compare:
        code = _judge(store, measured.run, baseline, fail_on_creep=fail_on_creep)
    print_ending(store, measured, options.store_words(store), is_judged=compare or measured.comparison is not None)
    raise typer.Exit(code)


def _judge(store: Store, run: Run, baseline: str | None, *, fail_on_creep: bool) -> ExitCode:
    """Print the verdicts on the run that was just measured; returns their exit code."""
    comparison = judge_run(store, run, baseline).with_creep(store).comparison
    code = exit_code(comparison, fail_on_creep=fail_on_creep)
    print_verdicts(comparison, code)
    return code


def _baseline_arm(
    store: Store, trust: Trust, *, decide: bool, python: str | None, checkout: Path | None, run: str | None
) -> BaselineArm | None:
    """The environment that measures as the baseline; None if the run has no such arm."""
    arm = {"--baseline-python": python, "--baseline-checkout": checkout, "--baseline-run": run}
    given = [name for name, value in arm.items() if value is not None]
    if given and not decide:
        raise UsageError(f"{given[0]} chooses what measures as the baseline: give it with --decide")
    if run is not None and len(given) > 1:
        raise UsageError(f"--baseline-run names a whole environment: omit {given[0]} or --baseline-run")
    return choose_baseline_arm(python, checkout, store.load(run) if run else None, trust) if decide else None


def _refuse_mixed(*, resume: bool, decide: bool, until_decided: bool, baseline: str | None, compare: bool) -> None:
    """Raises UsageError for options that say two things about what is compared with."""
    if resume and (decide or until_decided):
        raise UsageError("--resume continues the run as it was begun: omit --decide and --until-decided")
    if decide and until_decided:
        raise UsageError("--decide measures the baseline now, --until-decided uses a stored one: give one of them")
    if baseline is not None and not (until_decided or compare or resume):
        raise UsageError("--baseline names what --compare or --until-decided compares with: give one of them as well")
    if decide and baseline is not None:
        raise UsageError("--decide compares with what --baseline-python, --baseline-checkout or --baseline-run names")


def _is_unfinished(store: Store, run: Run) -> bool:
    return not run_setup.trains_for_accuracy(run.header.plan) and is_unfinished(store, run)
