"""`ssdbench containers`: measure images one after the other or in pairs, find a regression, list new tags."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.cli.bisect_images import bisect
from ssdbench.cli.blame import blame
from ssdbench.cli.container_check import check
from ssdbench.cli.container_converge import converge
from ssdbench.cli.container_evaluate import evaluate
from ssdbench.cli.help import MEASURING, STORING, SUITE, VerbApp, argument, option
from ssdbench.cli.image_contents import diff, manifest
from ssdbench.cli.image_options import ImageOptions, New, Old, PairOptions, inspect_where_measured
from ssdbench.cli.options import Budget, FailOnCreep, Json
from ssdbench.cli.printing import print_json
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.run_ending import print_ending
from ssdbench.cli.streams import print_text
from ssdbench.cli.suite_options import takes_options
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.containers.config import DEFAULT_FILE, load_containers
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.containers.seen_tags import check_tags
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.opening import results_folder
from ssdbench.harness.stores.store import Store
from ssdbench.workflows.deciding import deadline_of, is_unfinished
from ssdbench.workflows.images import find_earlier_run, resume_run
from ssdbench.workflows.measuring import measure

app = VerbApp("Measure inside container images, compare them, and find the one that introduced a regression.")
app.command()(takes_options(bisect))
app.command()(takes_options(evaluate))
app.command()(takes_options(blame))
app.command()(manifest)
app.command()(diff)
app.command()(check)
app.command()(takes_options(converge))

_SEEN = "containers-seen.json"

Images = Annotated[list[str] | None, argument("Images; default: all of ci/containers.toml.", "IMAGE")]


@app.command()
@takes_options
def compare(
    options: PairOptions, old: Old, new: New, budget: Budget = None, fail_on_creep: FailOnCreep = False
) -> None:
    """Measure two images in pairs on one machine, a launch of each, until the verdict rule has decided.

    A case that an image cannot run is recorded as a failure, and the others continue. Ctrl-C keeps what is measured;
    `ssdbench run --resume` continues. Exit code: as `ssdbench compare`.
    """
    store, deadline, containers = options.store(), deadline_of(budget), options.load()
    suite = options.image_suite(containers)
    (baseline, candidate), node = inspect_where_measured(suite, [containers.image(name) for name in (old, new)])
    suite = suite.bound_to(node)
    broken = next((image for image in (baseline, candidate) if image.failure is not None), None)
    # Where an image is broken only its failures can be recorded: the other has nothing to be compared with.
    setup = suite.setup_in(broken) if broken is not None else suite.setup_in(candidate, baseline=baseline)
    setup = replace(setup, options=replace(setup.options, budget=budget))
    raise typer.Exit(_measure(store, setup, options.store_words(store), deadline, fail_on_creep=fail_on_creep))


@app.command()
@takes_options
def run(
    options: ImageOptions,
    images: Images = None,
    resume: Annotated[
        bool, option("Skip images that are measured, and continue an interrupted one.", "--resume", panel=MEASURING)
    ] = False,
    budget: Budget = None,
) -> None:
    """Measure a suite in each of several images; each image is a run, and a failing one does not stop the others."""
    store, deadline, containers = options.store(), deadline_of(budget), options.load()
    names = [containers.image(name) for name in images or containers.images]
    if not names:
        raise UsageError(f"no images: name some, or list them in {options.containers}")
    suite, codes = options.image_suite(containers), []
    # All of them before the first is measured: a wrong name is not found hours later.
    inspected, _ = inspect_where_measured(suite, names)
    for image in inspected:
        setup = suite.setup_in(image)
        earlier = find_earlier_run(store, setup, image) if resume else None
        if earlier is not None:
            if not is_unfinished(store, store.load(earlier.run_id)):
                print_text(f"  already measured, in run {earlier.run_id}")
                continue
            setup = resume_run(store, earlier.run_id, setup)
        codes.append(_measure(store, setup, options.store_words(store), deadline))
    raise typer.Exit(max(codes, default=ExitCode.OK))


def _measure(
    store: Store, setup: RunSetup, store_words: str, deadline_seconds: float | None, *, fail_on_creep: bool = False
) -> ExitCode:
    """Measure a run, and print what became of it."""
    measured = measure(store, setup, TerminalDisplay(store_words), deadline_seconds=deadline_seconds)
    print_ending(store, measured, store_words, is_judged=measured.comparison is not None)
    if measured.comparison is None:
        return measured.exit_code
    return exit_code(measured.comparison, fail_on_creep=fail_on_creep)


@app.command()
def new(
    repository: Annotated[
        str | None, argument("Such as nvcr.io/nvidia/pytorch; default: that of ci/containers.toml.", "REPOSITORY")
    ] = None,
    match: Annotated[
        str, option("Only tags that this regular expression matches entirely.", metavar="REGEX", panel=SUITE)
    ] = ".*",
    state: Annotated[
        Path | None,
        option(
            "File of the digests seen before; default: containers-seen.json next to the records.",
            metavar="FILE",
            panel=STORING,
        ),
    ] = None,
    plain_http: Annotated[
        bool, option("Use HTTP without encryption, as is done for loopback addresses.", "--plain-http", panel=MEASURING)
    ] = (False),
    containers: Annotated[Path, option("File that names the repository.", metavar="FILE", panel=SUITE)] = DEFAULT_FILE,
    as_json: Json = False,
) -> None:
    """List the tags of a repository that are new, or have another digest, since the last call.

    Exit code: 0 something is new, 9 nothing is, so that a monthly job can be `ssdbench containers new && ...`.
    """
    repository = repository or load_containers(containers).repository
    if repository is None:
        raise UsageError(f"no repository: name one, or write `repository = ...` into {containers}")
    news = check_tags(open_repository(repository, plain_http=plain_http), state or results_folder() / _SEEN, match)
    if as_json:
        print_json(json.dumps({"repository": repository, "tags": [asdict(tag) for tag in news]}))
    else:
        for tag in news:
            what = "new" if tag.earlier is None else f"changed from {tag.earlier}"
            print_text(f"{repository}:{tag.name}  {tag.digest}  {what}")
        if not news:
            print_text(f"{repository}: nothing new")
    raise typer.Exit(ExitCode.OK if news else ExitCode.NOTHING_NEW)
