"""`ssdbench containers`: images measured as they are, one after the other or in pairs; and which are new."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.bisect import bisect
from ssdbench.cli.image_options import ImageOptions, PairOptions, inspect_shown
from ssdbench.cli.options import DEFAULT_RESULTS, Budget
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.suite_options import takes_options
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.containers.config import DEFAULT_FILE, load_containers
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.containers.seen_tags import check_tags
from ssdbench.workflows.deciding import deadline_of, is_unfinished
from ssdbench.workflows.images import find_earlier_run, resume_run
from ssdbench.workflows.measuring import measure

app = typer.Typer(help="Measure inside container images, compare them, find the one that brought a regression.")
app.command()(takes_options(bisect))

Old = Annotated[str, typer.Argument(help="Image of the baseline: repository:tag, or a tag of ci/containers.toml.")]
New = Annotated[str, typer.Argument(help="Image that is judged.")]
_SEEN = DEFAULT_RESULTS / "containers-seen.json"

Images = Annotated[list[str] | None, typer.Argument(help="Images; default: all of ci/containers.toml.")]


@app.command()
@takes_options
def compare(options: PairOptions, old: Old, new: New, budget: Budget = None) -> None:
    """Measure two images in turns on this machine, a launch of each a pair, until the verdict rule has decided.

    What an image cannot run is recorded as a failure, and the rest goes on. Ctrl-C keeps what is measured;
    `ssdbench run --resume` goes on. Exit code: as `ssdbench compare`.
    """
    store, deadline, containers = options.store(), deadline_of(budget), options.load()
    suite = options.image_suite(containers)
    baseline, candidate = (inspect_shown(containers, containers.image(name)) for name in (old, new))
    broken = next((image for image in (baseline, candidate) if image.failure is not None), None)
    # Where an image is broken only its failures can be recorded: the other has nothing to be compared with.
    setup = suite.setup_in(broken) if broken is not None else suite.setup_in(candidate, baseline=baseline)
    raise typer.Exit(measure(store, setup, TerminalDisplay(), deadline_seconds=deadline).exit_code)


@app.command()
@takes_options
def run(
    options: ImageOptions,
    images: Images = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out images that were measured, go on with one that broke off.")
    ] = False,
    budget: Budget = None,
) -> None:
    """Measure a suite in each of several images: each image is a run, and one that fails does not stop the rest."""
    store, deadline, containers = options.store(), deadline_of(budget), options.load()
    names = [containers.image(name) for name in images or containers.images]
    if not names:
        raise UsageError(f"no images: name some, or list them in {options.containers}")
    suite, codes = options.image_suite(containers), []
    for name in names:
        image = inspect_shown(containers, name)
        setup = suite.setup_in(image)
        earlier = find_earlier_run(store, setup, image) if resume else None
        if earlier is not None:
            if not is_unfinished(store, store.load(earlier.run_id)):
                print(f"  measured before, in run {earlier.run_id}")
                continue
            setup = resume_run(store, earlier.run_id)
        codes.append(measure(store, setup, TerminalDisplay(), deadline_seconds=deadline).exit_code)
    raise typer.Exit(max(codes, default=ExitCode.OK))


@app.command()
def new(
    repository: Annotated[
        str | None, typer.Argument(help="e.g. nvcr.io/nvidia/pytorch; default: that of ci/containers.toml.")
    ] = None,
    match: Annotated[str, typer.Option(help="Only tags that this regular expression matches as a whole.")] = ".*",
    state: Annotated[Path | None, typer.Option(help="File of the digests seen; default: in the results.")] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Ask without encryption; on a loopback anyway.")] = (
        False
    ),
    containers: Annotated[Path, typer.Option(help="File that names the repository.")] = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say which tags of a repository are new, or have another digest, since the last time this was asked.

    Exit code: 0 something is new, 9 nothing is; so `ssdbench containers new && ...` is a monthly job.
    """
    repository = repository or load_containers(containers).repository
    if repository is None:
        raise UsageError(f"no repository: name one, or write `repository = ...` into {containers}")
    news = check_tags(open_repository(repository, plain_http=plain_http), state or _SEEN, match)
    if as_json:
        print(json.dumps({"repository": repository, "tags": [asdict(tag) for tag in news]}))
    else:
        for tag in news:
            what = "new" if tag.earlier is None else f"changed from {tag.earlier}"
            print(f"{repository}:{tag.name}  {tag.digest}  {what}")
        if not news:
            print(f"{repository}: nothing new")
    raise typer.Exit(ExitCode.OK if news else ExitCode.NOTHING_NEW)
