"""`ssdbench nightly`: measure a suite, and what may have changed in pairs with the baseline's build."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.compare import print_verdicts
from ssdbench.cli.help import DECIDING, MEASURING, OUTPUT, option
from ssdbench.cli.options import Budget, FailOnCreep, Json
from ssdbench.cli.outputs import NAMES, outputs_of, write_outputs
from ssdbench.cli.plan import print_plan, print_plan_as_json
from ssdbench.cli.printing import Terminal, print_json, print_line
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.streams import say
from ssdbench.cli.suite_options import SuiteOptions, TrustRun, takes_options
from ssdbench.cli.writing import is_standard_output, require_writable, write
from ssdbench.errors import UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.baseline_arm import choose_baseline_arm
from ssdbench.harness.baseline_builds import FoundBuild, ImageChoice, find_build
from ssdbench.harness.containers.config import DEFAULT_FILE, load_containers
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.harness.trust import Trust
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.workflows.deciding import deadline_of, name_of_reference
from ssdbench.workflows.display import Display, Quiet
from ssdbench.workflows.judging import find_reference
from ssdbench.workflows.measuring import predict
from ssdbench.workflows.nightly import (
    Nightly,
    Outcome,
    Rules,
    measure_nightly,
    setup_against_itself,
    setup_of_suite,
    setup_to_resume,
)

StoredBaseline = Annotated[
    str | None,
    option(
        f"What to compare with, and whose build measures pairs; default: {DEFAULT_BASELINE}.",
        "--baseline",
        metavar="NAME",
        panel=DECIDING,
    ),
]
BaselinePython = Annotated[
    str | None, option("Interpreter of the baseline's build; default: as recorded.", metavar="FILE", panel=DECIDING)
]
BaselineCheckout = Annotated[
    Path | None,
    option("ssdbench checkout of the baseline's build; default: its commit.", metavar="FOLDER", panel=DECIDING),
]
InstallBaseline = Annotated[
    bool,
    option(
        "Install the baseline's versions into the cache where no interpreter here has them: minutes, several GB.",
        "--install-baseline",
        panel=DECIDING,
    ),
]
BaselineImage = Annotated[
    str | None,
    option(
        "Image of the baseline's build, where the file of --containers does not list it.",
        metavar="IMAGE",
        panel=DECIDING,
    ),
]
ContainersFile = Annotated[
    Path, option("File that says how a baseline's image is started.", "--containers", metavar="FILE", panel=DECIDING)
]
Every = Annotated[
    int, option("Measure each case in pairs at least once in this many calls.", min=1, metavar="N", panel=DECIDING)
]
RedAfter = Annotated[
    int,
    option(
        "End with exit code 5 after this many results in a row without a verdict on a case; before, warn.",
        min=1,
        metavar="N",
        panel=DECIDING,
    ),
]
AgainstItself = Annotated[
    bool, option("Measure the baseline's build against itself: is there a false alarm?", "--a-a", panel=MEASURING)
]
IdFile = Annotated[
    Path | None,
    option(
        "Write the id of the whole suite's run to a file, for the commands after this one.",
        metavar="FILE",
        panel=OUTPUT,
    ),
]
Output = Annotated[
    list[str] | None,
    option(
        f"Also write the verdicts to a file; may be repeated. Formats: {', '.join(NAMES)}.",
        metavar="FORMAT=FILE",
        panel=OUTPUT,
    ),
]


@takes_options
def nightly(
    options: SuiteOptions,
    baseline: StoredBaseline = None,
    budget: Budget = None,
    every: Every = 20,
    red_after: RedAfter = 3,
    against_itself: AgainstItself = False,
    resume: Annotated[bool, option("Continue the newest call of this verb.", "--resume", panel=MEASURING)] = False,
    run_id: Annotated[
        str | None, option("With --resume: continue the call of this run.", "--run", metavar="RUN", panel=MEASURING)
    ] = None,
    baseline_python: BaselinePython = None,
    baseline_checkout: BaselineCheckout = None,
    install_baseline: InstallBaseline = False,
    baseline_image: BaselineImage = None,
    containers: ContainersFile = DEFAULT_FILE,
    fail_on_creep: FailOnCreep = False,
    dry_run: Annotated[bool, option("Print the plan without measuring.", "--dry-run", panel=OUTPUT)] = False,
    id_file: IdFile = None,
    output: Output = None,
    as_json: Json = False,
    trust_run: TrustRun = False,
) -> None:
    """Measure a suite, and what may have changed in pairs with the baseline's build; judge both together.

    First the whole suite is compared with the stored baseline. Cases that may have changed, failed or are new, and some
    whose turn it is, are then measured again in pairs with the baseline's build, which alone decide on them.

    Exit code: as `ssdbench compare`, but inconclusive is a warning (0) until --red-after results in a row; with --a-a 3
    if the equal builds are told apart.
    """
    outputs, store, deadline = outputs_of(output or ()), options.store(), deadline_of(budget)
    options.refuse_run_without_resume(run_id, resume=resume)
    trust = options.trust(everything=trust_run, baseline_python=baseline_python, baseline_checkout=baseline_checkout)
    if resume:
        _refuse_to_resume({"--a-a": against_itself, "--baseline": baseline, "--workload": options.workload})
        options.refuse_cases_to_resume()
        setup = setup_to_resume(store, run_id, options.resumed_suite(), trust)
    else:
        suite = options.suite()
        kept = replace(options.run_options(suite), budget=budget)
        setup = run_setup.new_setup(suite, kept, options.seed, cases=options.case or ())
        setup = replace(setup, nightly=NightlyStage(baseline=_reference(store, baseline)))
    run_setup.require_speed(setup.plan)
    build = _build(
        store,
        setup,
        trust,
        baseline_python,
        baseline_checkout,
        install=install_baseline,
        images=lambda: _images(containers, baseline_image),
    )
    is_alone = as_json or any(is_standard_output(path) for _, path in outputs)
    display: Display = Quiet() if is_alone else TerminalDisplay(continue_with=_resume_words(options, store))
    if build is not None:
        display.message(build.said)
    call = Nightly(
        store=store,
        display=display,
        rules=Rules(every=every, red_after=red_after, fail_on_creep=fail_on_creep),
        build=build,
        deadline_seconds=deadline,
        budget=budget or setup.options.budget,
        begun=lambda begun: write(id_file, f"{begun}\n") if id_file is not None else None,
    )
    if not resume:
        setup = setup_against_itself(call, setup) if against_itself else setup_of_suite(call, setup)
    if dry_run:
        (print_plan_as_json if as_json else print_plan)(setup, predict(store, setup))
        return
    require_writable(id_file, *(path for _, path in outputs))
    read_waivers(store.waivers_file)  # a mistake in it is told before hours are spent
    outcome = measure_nightly(call, setup)
    # The verdict first: it is seen also where a file cannot be written after all.
    if as_json:
        print_json(codec.dump(outcome.comparison))
    elif not is_alone:
        _print_outcome(outcome, store, options.store_words(store))
    if is_alone:
        for warning in outcome.warnings:
            say(f"warning: {warning}")
    write_outputs(outputs, outcome.comparison, outcome.exit_code)
    raise typer.Exit(outcome.exit_code)


def _reference(store: Store, baseline: str | None) -> str:
    """What to compare with; a typing error is reported before hours of measuring."""
    return DEFAULT_BASELINE if baseline in (None, DEFAULT_BASELINE) else name_of_reference(store, baseline)


def _refuse_to_resume(given: Mapping[str, object]) -> None:
    if names := [name for name, value in given.items() if value]:
        raise UsageError(f"--resume continues the call as it was begun: omit {names[0]}")


def _build(
    store: Store,
    setup: RunSetup,
    trust: Trust,
    python: str | None,
    checkout: Path | None,
    *,
    install: bool,
    images: Callable[[], ImageChoice],
) -> FoundBuild | None:
    """The build of the baseline; None where there is no baseline yet."""
    stage = setup.nightly
    assert stage is not None
    reference = find_reference(store, setup.machine.hardware.key, stage.baseline)
    if reference is None:
        return None
    if python is not None or checkout is not None:
        arm = choose_baseline_arm(python or setup.options.python, checkout, None)
        return FoundBuild(arm=arm, said=f"{stage.baseline} is measured by {arm.python} with {arm.source}, as asked for")
    choice = images() if reference.header.options.image is not None else None
    return find_build(reference, stage.baseline, trust, python=setup.options.python, install=install, images=choice)


def _images(file: Path, named: str | None) -> ImageChoice:
    containers = load_containers(file)
    variable_values(containers.options)
    return ImageChoice(containers=containers, file=str(file), named=named)


def _resume_words(options: SuiteOptions, store: Store) -> str:
    return f"`ssdbench nightly --resume{options.store_words(store)}`"


def _print_outcome(outcome: Outcome, store: Store, place: str) -> None:
    print_verdicts(outcome.comparison, outcome.exit_code)
    console, run_id = Terminal(), outcome.run.header.run_id
    for warning in outcome.warnings:
        console.say(("warning: ", "yellow"), warning)
    print_line(console, f"\nstored in {store.name} as run {run_id}")
    if outcome.comparison.baseline_run_id is None:
        print_line(console, f'next: `ssdbench baseline accept {run_id} --reason "..."{place}` makes it a baseline')
    else:
        print_line(console, f"next: `ssdbench report {run_id}{place}` shows the details")
