"""`ssdbench containers`: images measured as they are, one after the other or in pairs; and which are new."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli import decide as d
from ssdbench.cli import measuring
from ssdbench.cli.bisect import bisect
from ssdbench.cli.container_request import ContainerRequest, PairRequest, campaign_in, look_at
from ssdbench.cli.request import DEFAULT_RESULTS, takes_request
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.containers.config import DEFAULT_FILE, load_containers
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.containers.seen_tags import check_tags
from ssdbench.harness.forecast import forecast
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import ContainerImage, RunHeader

app = typer.Typer(help="Measure inside container images, compare them, find the one that brought a regression.")
app.command()(takes_request(bisect))

Old = Annotated[str, typer.Argument(help="Image of the baseline: repository:tag, or a tag of ci/containers.toml.")]
New = Annotated[str, typer.Argument(help="Image that is judged.")]
_SEEN = DEFAULT_RESULTS / "containers-seen.json"

Images = Annotated[list[str] | None, typer.Argument(help="Images; default: all of ci/containers.toml.")]


@app.command()
@takes_request
def compare(request: PairRequest, old: Old, new: New, budget: d.Budget = None) -> None:
    """Measure two images in turns on this machine, a launch of each a pair, until the verdict rule has decided.

    What an image cannot run is recorded as a failure, and the rest goes on. Ctrl-C keeps what is measured;
    `ssdbench run --resume` goes on. Exit code: as `ssdbench compare`.
    """
    store, deadline, containers = request.store(), d.deadline_of(budget), request.load()
    baseline, candidate = (look_at(containers, containers.image(name)) for name in (old, new))
    broken = next((image for image in (baseline, candidate) if image.failure is not None), None)
    if broken is not None:  # its failures are all that there is to record: the other image has nothing to stand beside
        setup = campaign_in(request, containers, broken)
    else:
        setup = campaign_in(request, containers, candidate, beside=baseline)
    raise typer.Exit(_measured(store, setup, deadline))


@app.command()
@takes_request
def run(
    request: ContainerRequest,
    images: Images = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out images that were measured, go on with one that broke off.")
    ] = False,
    budget: d.Budget = None,
) -> None:
    """Measure a suite in each of several images: each image is a run, and one that fails does not stop the rest."""
    store, deadline, containers = request.store(), d.deadline_of(budget), request.load()
    names = [containers.image(name) for name in images or containers.images]
    if not names:
        raise UsageError(f"no images: name some, or list them in {request.containers}")
    codes = []
    for name in names:
        image = look_at(containers, name)
        setup = campaign_in(request, containers, image)
        earlier = _earlier(store, setup, image) if resume else None
        if earlier is not None:
            if not d.is_unfinished(store, store.load(earlier.run_id)):
                print(f"  measured before, in run {earlier.run_id}")
                continue
            setup = run_setup.resumed_setup(store, earlier.run_id, None, lambda _run: True)
        codes.append(_measured(store, setup, deadline))
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


def _measured(store: Store, setup: run_setup.RunSetup, deadline_seconds: float | None) -> ExitCode:
    prediction = forecast(setup.plan, setup.machine.hardware, run_setup.earlier_records(store))
    begun, data = measuring.begin(store, setup)
    return measuring.measure(store, setup, begun, data, prediction, deadline_seconds)


def _earlier(store: Store, setup: run_setup.RunSetup, image: ContainerImage) -> RunHeader | None:
    """The newest run of the same cases in this very image; None where its content is not known."""
    same = [
        header
        for header in store.headers()
        if header.control is None
        and header.options.image is not None
        and header.options.image.id == image.id
        and header.plan.cases == setup.plan.cases
    ]
    return same[-1] if same and image.id is not None else None
