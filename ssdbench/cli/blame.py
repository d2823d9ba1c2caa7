"""`ssdbench containers blame`: which component of a new image made it slower."""

from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.bisect_options import Find, direction_of
from ssdbench.cli.help import DECIDING, STORING, argument, option
from ssdbench.cli.image_options import SearchOptions, inspect_where_measured, on_one_node
from ssdbench.cli.options import Budget
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.blames import BlameLog, log_name
from ssdbench.harness.launchers.inside import inside_of
from ssdbench.schema.record import ContainerImage
from ssdbench.workflows.blaming import BlameSearch
from ssdbench.workflows.deciding import deadline_of

Log = Annotated[
    Path | None,
    option(
        "Log of all decisions, from which the search continues; default: a file in results/blames.",
        metavar="FILE",
        panel=STORING,
    ),
]
Attempts = Annotated[
    int,
    option(
        "Runs of a probe that stays inconclusive, each with twice the pairs of the one before.",
        min=1,
        metavar="N",
        panel=DECIDING,
    ),
]


def blame(
    options: SearchOptions,
    old: Annotated[str, argument("Image of before: repository:tag, or a tag.", "OLD")],
    new: Annotated[str, argument("Image that is slower (or faster, with --find improvement).", "NEW")],
    find: Find = "regression",
    log: Log = None,
    attempts: Attempts = 2,
    budget: Budget = None,
) -> None:
    """Find the component that made an image slower or faster, by swapping in those of the older one group by group.

    One case (--case) is measured in pairs, the new image with and without the components of the old one: Python
    distributions and shared libraries that a worker loads, mounted read-only. What crashes, or is not loaded from
    where it was swapped in, is reported, and neither named nor cleared. Repeat the same command to continue where it
    stopped.

    Exit code: 0 a component is named, 5 none is; the last line says what was found.
    """
    direction, containers, deadline = direction_of(find), options.load(), deadline_of(budget)
    names = containers.image(old), containers.image(new)
    store, suite = options.store(), options.image_suite(containers)
    display = TerminalDisplay(continue_with="the same command")
    # A plan does not depend on what is in the images: what is asked is checked before any of them is pulled.
    expected = ContainerImage(reference=names[0])
    planned = suite.setup_in(expected, baseline=expected)
    plan = planned.plan
    if len(plan.cases) != 1:
        raise UsageError(f"a search is about one case, and {len(plan.cases)} are selected: choose one with --case")
    suite = on_one_node(suite, planned)
    images, _ = inspect_where_measured(suite, names)
    for image in images:
        if image.failure is not None or image.id is None:
            why = image.failure.message if image.failure else "the engine gives it no id: use an image file"
            raise EnvironmentLacksError(f"nothing can be swapped in {image.reference}: {why}")
    ids = [str(image.id) for image in images]
    if ids[0] == ids[1]:
        raise UsageError(f"{names[0]} and {names[1]} are the same image: there is nothing to swap")
    key = plan.cases[0].case.key
    path = log or options.results / "blames" / log_name(*names, key, direction)
    search = BlameSearch(
        old=images[0],
        new=images[1],
        suite=suite,
        inside=inside_of(containers.options, suite.options.slurm),
        store=store,
        log=BlameLog(path, suite=plan.suite, case_key=key, old=ids[0], new=ids[1], find=direction),
        find=direction,
        attempts=attempts,
        display=display,
        deadline_seconds=deadline,
    )
    display.message(f"log of decisions: {path}")
    raise typer.Exit(search.run())
