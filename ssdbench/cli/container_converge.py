"""`ssdbench containers converge`: seeds trained in two images in turns, and judged as two distributions."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from ssdbench.analysis.convergence.arms import baseline_distribution
from ssdbench.analysis.convergence.seeds import candidates_of
from ssdbench.cli.help import DECIDING, MEASURING, option
from ssdbench.cli.image_options import ContainersFile, EngineName, New, Old, inspect_shown, load_engine
from ssdbench.cli.options import Budget, Json
from ssdbench.cli.printing import Terminal, print_json, print_line
from ssdbench.cli.suite_options import TrainingOptions
from ssdbench.cli.training_progress import TrainingDisplay
from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.config import DEFAULT_FILE
from ssdbench.harness.stores import codec
from ssdbench.report.convergence import render_convergence
from ssdbench.schema.convergence import ConvergenceSettings
from ssdbench.workflows.container_training import setup_of_seeds, train_images
from ssdbench.workflows.deciding import deadline_of
from ssdbench.workflows.images import ImageSuite
from ssdbench.workflows.seeds import draw_seeds, verdict_exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTrainingOptions(TrainingOptions):
    """A recipe, and the images that train it."""

    OMITTED: ClassVar[tuple[str, ...]] = (*TrainingOptions.OMITTED, "python", "launcher", "slurm", "nodes")

    containers: ContainersFile = DEFAULT_FILE
    engine: EngineName = None
    parallel: Annotated[
        int | None,
        option(
            "Trainings at a time, each on GPUs of its own; default: as many as there are GPUs for, on a CPU 1.",
            min=1,
            metavar="N",
            panel=MEASURING,
        ),
    ] = None


def converge(
    options: ImageTrainingOptions,
    old: Old,
    new: New,
    seeds: Annotated[
        int | None,
        option("Seeds of each image, with --resume in total; default: 5, the least for a verdict.", metavar="N",
               panel=MEASURING),
    ] = None,
    margin: Annotated[
        float | None,
        option("Relative change of AP that matters; default: 0.01.", metavar="FRACTION", panel=DECIDING),
    ] = None,
    resume: Annotated[
        bool,
        option("Continue the newest run of the same images and recipe.", "--resume", panel=MEASURING),
    ] = False,
    budget: Budget = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train seeds in two images in turns, and judge whether both learn equally well.

    After every evaluation all seeds wait for the others. A gross failure of the new image ends the run there, early in
    training; otherwise the seeds are judged when all are trained, as by `ssdbench converge check`. Without --suite and
    without options of an ad hoc recipe, the suite `convergence` is trained: the published recipe.

    Exit code: 3 regressed, 4 a seed failed, 5 inconclusive, 0 unchanged or improved.
    """
    store, deadline = options.store(), deadline_of(budget)
    settings = ConvergenceSettings() if margin is None else ConvergenceSettings.of(margin)
    containers = load_engine(options.containers, options.engine)
    suite = options.suite()
    asked = ImageSuite(
        suite=suite,
        options=options.run_options(suite),
        seed=options.seed,
        containers=containers,
        cases=tuple(options.case or ()),
    )
    names = [containers.image(name) for name in (old, new)]
    images = [inspect_shown(containers, name, stderr=as_json) for name in names]
    for image in images:
        if image.failure is not None:
            raise EnvironmentLacksError(f"nothing can be trained in {image.reference}: {image.failure.message}")
    setup = setup_of_seeds(store, asked.setup_of(images[1], images[0]), seeds, resume=resume)
    display = TrainingDisplay(continue_with="the same command and --resume", stderr=as_json)
    run, verdict = train_images(
        store, setup, options.results, display, settings, parallel=options.parallel, deadline_seconds=deadline
    )
    path = draw_seeds(options.results, run.header.run_id, candidates_of(run), baseline_distribution(run))
    if as_json:
        print_json(codec.dump(verdict))
    else:
        console = Terminal()
        console.print(render_convergence(verdict))
        print_line(console, f"\ncurves: {path}")
    raise typer.Exit(verdict_exit_code(verdict.status))
