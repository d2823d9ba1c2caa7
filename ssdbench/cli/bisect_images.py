"""`ssdbench containers bisect` and `ssdbench bisect images`: which image of a list brought a change."""

from collections.abc import Callable
from typing import Annotated

from ssdbench.analysis.bisection import Question
from ssdbench.cli.bisect_options import Attempts, Budget, DryRun, Find, Log, Skip, direction_of, start_search
from ssdbench.cli.help import SUITE, argument, option
from ssdbench.cli.image_options import SearchOptions, inspect_where_measured, on_one_node
from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.containers.config import between
from ssdbench.harness.run_setup import RunSetup
from ssdbench.schema.record import ContainerImage

_GOOD = "Image of the list that is as fast as it should be, or its tag."
_BAD = "A later image that is slower (or faster, with --find improvement)."

Good = Annotated[str, option(_GOOD, metavar="IMAGE", panel=SUITE)]
Bad = Annotated[str, option(_BAD, metavar="IMAGE", panel=SUITE)]


def bisect(
    options: SearchOptions,
    good: Good,
    bad: Bad,
    find: Find = "regression",
    skip: Skip = None,
    log: Log = None,
    attempts: Attempts = 2,
    budget: Budget = None,
    dry_run: DryRun = False,
) -> None:
    """Find the first image that is slower than the good one, in a list from old to new (ci/containers.toml).

    One case (--case) is measured in pairs with the good image: first in the bad image, then by binary search, each for
    as long as the verdict rule asks. Repeat the same command to continue where it stopped.

    Exit code: 0 the first bad image is found, 5 it is not; the last line says which images are left.
    """
    direction, containers = direction_of(find), options.load()
    listed = between(containers.images, containers.image(good), containers.image(bad))
    suite = options.image_suite(containers)
    # A plan does not depend on what is in the images: what is asked is checked before any of them is pulled.
    expected = suite.setup_in(ContainerImage(reference=listed[0]), baseline=ContainerImage(reference=listed[0]))
    if len(expected.plan.cases) != 1:
        count = len(expected.plan.cases)
        raise UsageError(f"a bisection is about one case, and {count} are selected: choose one with --case")

    placed = on_one_node(suite, expected)

    def inspect(image: str) -> ContainerImage:
        return inspect_where_measured(placed, [image])[0][0]

    def prepare() -> Callable[[str], RunSetup]:
        reference = inspect(listed[0])
        if reference.failure is not None:
            raise EnvironmentLacksError(f"nothing can be compared with {listed[0]}: {reference.failure.message}")
        return lambda image: placed.setup_in(inspect(image), baseline=reference)

    start_search(
        options,
        Question(points=listed, find=direction),
        expected,
        prepare,
        log=log,
        attempts=attempts,
        budget=budget,
        skip=skip or (),
        dry_run=dry_run,
    )


def images(
    options: SearchOptions,
    good: Annotated[str, argument(_GOOD, "GOOD")],
    bad: Annotated[str, argument(_BAD, "BAD")],
    find: Find = "regression",
    skip: Skip = None,
    log: Log = None,
    attempts: Attempts = 2,
    budget: Budget = None,
    dry_run: DryRun = False,
) -> None:
    """Find the container image that made a case slower or faster, in the list of ci/containers.toml.

    Each image is measured in pairs with the good one. Repeat the same command to continue where it stopped.

    Exit code: 0 the first image with the change is found, 5 it is not; the last line says which images are left.
    """
    bisect(options, good, bad, find, skip, log, attempts, budget, dry_run)
