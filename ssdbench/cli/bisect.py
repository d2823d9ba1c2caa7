"""`ssdbench bisect`: which image, commit or list of requirements brought a change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from ssdbench.cli.bisect_images import images
from ssdbench.cli.bisect_options import Attempts, Budget, DryRun, Find, Log, Skip, direction_of, start_search
from ssdbench.cli.help import MEASURING, SUITE, VerbApp, argument, option
from ssdbench.cli.suite_options import SuiteOptions, takes_options
from ssdbench.workflows.bisection_points import CommitPoints, MeasuredCase, RequirementPoints

app = VerbApp("Find the image, the commit or the list of requirements that made a case slower or faster.")
app.command()(takes_options(images))


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOptions(SuiteOptions):
    """A suite, or an ad hoc grid; the verdict rule decides how many launches are measured."""

    OMITTED: ClassVar[tuple[str, ...]] = ("launches", "measure_ceilings")

    measure_ceilings: bool = False
    name: Annotated[
        str | None, option("Suite by name (monthly), or a .toml file.", "--suite", metavar="SUITE", panel=SUITE)
    ] = None

    def measured_case(self) -> MeasuredCase:
        """What these options select; errors as `suite`."""
        suite = self.suite()
        return MeasuredCase(suite=suite, options=self.run_options(suite), seed=self.seed, cases=tuple(self.case or ()))


@app.command()
@takes_options
def commits(
    options: PointOptions,
    good: Annotated[str, argument("Commit that is as fast as it should be.", "GOOD")],
    bad: Annotated[str, argument("Later commit that is slower (or faster, with --find improvement).", "BAD")],
    repo: Annotated[Path, option("Checkout of ssdbench; it is not changed.", metavar="FOLDER", panel=SUITE)] = Path(),
    find: Find = "regression",
    skip: Skip = None,
    log: Log = None,
    attempts: Attempts = 2,
    budget: Budget = None,
    dry_run: DryRun = False,
) -> None:
    """Find the commit that made a case slower or faster, in a checkout of ssdbench.

    Commits are taken along first parents, and only those that change the folder ssdbench. Each is copied, and one case
    (--case) is measured in pairs with GOOD. Repeat the same command to continue where it stopped.

    Exit code: 0 the first commit with the change is found, 5 it is not; the last line says which commits are left.
    """
    case = options.measured_case()
    points = CommitPoints.between(repo.resolve(), good, bad, case)
    start_search(
        options,
        points.question(direction_of(find)),
        case.setup(),
        lambda: points.setup_of,
        log=log,
        attempts=attempts,
        budget=budget,
        skip=skip or (),
        dry_run=dry_run,
        hint=points.hint,
    )


@app.command()
@takes_options
def requirements(
    options: PointOptions,
    files: Annotated[list[Path], argument("Files of pip requirements, oldest first; the first is good.", "FILE")],
    see_packages: Annotated[
        bool,
        option(
            "The environments import the packages of --python, too, where a list has no others.",
            "--system-site-packages",
            panel=MEASURING,
        ),
    ] = False,
    find: Find = "regression",
    skip: Skip = None,
    log: Log = None,
    attempts: Attempts = 2,
    budget: Budget = None,
    dry_run: DryRun = False,
) -> None:
    """Find the list of pip requirements, such as those of nightly wheels, that made a case slower or faster.

    Each list is installed into an environment in the cache, and one case (--case) is measured in pairs with the first.
    Repeat the same command to continue where it stopped.

    Exit code: 0 the first list with the change is found, 5 it is not; the last line says which lists are left.
    """
    case = options.measured_case()
    points = RequirementPoints.of(files, case, sees_packages=see_packages)
    start_search(
        options,
        points.question(direction_of(find)),
        case.setup(),
        lambda: points.setup_of,
        log=log,
        attempts=attempts,
        budget=budget,
        skip=skip or (),
        dry_run=dry_run,
    )
