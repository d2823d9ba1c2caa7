"""`ssdbench containers bisect`: which of the images between a good one and a bad one introduced a regression."""

from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.help import DECIDING, STORING, SUITE, option
from ssdbench.cli.image_options import PairOptions, inspect_shown
from ssdbench.cli.options import Budget
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.bisections import BisectionLog, log_file_name
from ssdbench.harness.containers.config import between
from ssdbench.schema.record import ContainerImage
from ssdbench.workflows.bisecting import Search
from ssdbench.workflows.deciding import deadline_of

Good = Annotated[
    str, option("Image of the list that is as fast as it should be, or its tag.", metavar="IMAGE", panel=SUITE)
]
Bad = Annotated[str, option("A later image that is slower.", metavar="IMAGE", panel=SUITE)]
Log = Annotated[
    Path | None,
    option(
        "Log of all decisions, from which the search continues; default: a file in results/bisections.",
        metavar="FILE",
        panel=STORING,
    ),
]
Attempts = Annotated[
    int,
    option(
        "Runs of an image that stays inconclusive, each with twice the pairs of the one before.",
        min=1,
        metavar="N",
        panel=DECIDING,
    ),
]


def bisect(
    options: PairOptions, good: Good, bad: Bad, log: Log = None, attempts: Attempts = 2, budget: Budget = None
) -> None:
    """Find the first image that is slower than the good one, in a list from old to new (ci/containers.toml).

    One case (--case) is measured in pairs with the good image: first in the bad image, then by binary search, each for
    as long as the verdict rule asks. Repeat the same command to continue where it stopped.

    Exit code: 0 the first bad image is found, 5 it is not; the last line says which images are left.
    """
    containers, deadline = options.load(), deadline_of(budget)
    images = between(containers.images, containers.image(good), containers.image(bad))
    store, suite, display = (
        options.store(),
        options.image_suite(containers),
        TerminalDisplay(continue_with="the same command"),
    )
    # A plan does not depend on what is in the images: what is asked is checked before any of them is pulled.
    expected = ContainerImage(reference=images[0])
    plan = suite.setup_in(expected, baseline=expected).plan
    if len(plan.cases) != 1:
        raise UsageError(f"a bisection is about one case, and {len(plan.cases)} are selected: choose one with --case")
    reference = inspect_shown(containers, images[0])
    if reference.failure is not None:
        raise EnvironmentLacksError(f"nothing can be compared with {images[0]}: {reference.failure.message}")
    key = plan.cases[0].case.key
    path = log or options.results / "bisections" / log_file_name(images, key)
    search = Search(
        images=images,
        reference=reference,
        suite=suite,
        inspect=lambda image: inspect_shown(containers, image),
        store=store,
        log=BisectionLog(path, suite=plan.suite, case_key=key, images=images),
        attempts=attempts,
        display=display,
        deadline_seconds=deadline,
    )
    display.message(f"log of decisions: {path}")
    raise typer.Exit(search.run())
