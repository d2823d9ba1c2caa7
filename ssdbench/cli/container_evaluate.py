"""`ssdbench containers evaluate`: one trained model judged in two images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.counting import data_progress, evaluation_progress
from ssdbench.cli.evaluation_options import Checkpoint, EvaluationOptions
from ssdbench.cli.help import DECIDING, MEASURING, option
from ssdbench.cli.image_options import ContainersFile, EngineName, New, Old, inspect_shown, load_engine
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, results_words
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.streams import say
from ssdbench.harness.containers.config import DEFAULT_FILE
from ssdbench.harness.datasets import prepare_dataset
from ssdbench.harness.evaluation import plan_case, require_readable
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.harness.stores.codec import dump
from ssdbench.report.image_evaluation import render_image_comparison
from ssdbench.schema.image_evaluation import EvaluationSettings, ImageComparison
from ssdbench.schema.verdict import Status
from ssdbench.workflows.container_evaluation import TwoImages, require_judge
from ssdbench.workflows.seeds import verdict_exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEvaluationOptions(EvaluationOptions):
    """How a checkpoint is evaluated in two images."""

    containers: ContainersFile = DEFAULT_FILE
    engine: EngineName = None
    results: Results = DEFAULT_RESULTS

    def settings(self, margin: float | None) -> EvaluationSettings:
        """The levels of the judgement; `margin` None is the usual one."""
        return EvaluationSettings() if margin is None else EvaluationSettings(margin=margin)


def evaluate(
    options: ImageEvaluationOptions,
    old: Old,
    new: New,
    checkpoint: Checkpoint,
    margin: Annotated[
        float | None, option("Relative change of AP that matters; default: 0.01.", metavar="FRACTION", panel=DECIDING)
    ] = None,
    resume: Annotated[
        bool,
        option("Continue an interrupted evaluation of the same images and weights.", "--resume", panel=MEASURING),
    ] = False,
    as_json: Json = False,
) -> None:
    """Evaluate the same weights in two images, and judge whether both detect the same.

    Both sets of detections are compared one by one, and so is their AP, with an interval over the images. It takes
    minutes, and finds faults of decoding, labels, boxes and evaluation; `ssdbench containers converge` finds those of
    training.

    Exit code: 3 regressed, 4 an image failed, 5 inconclusive, 0 unchanged or improved.
    """
    settings = options.settings(margin)
    require_readable(checkpoint)
    containers, machine, worker = load_engine(options.containers, options.engine), probe_machine(), inspect_python(None)
    require_judge(worker)
    case = plan_case(
        options.axes(),
        machine,
        None,
        protocol=options.protocol,
        engine="pycocotools",
        device=options.device,
        timeout_seconds=options.timeout,
    )
    names = [containers.image(name) for name in (old, new)]
    baseline, candidate = (inspect_shown(containers, name, stderr=as_json) for name in names)
    with data_progress() as on_progress:
        data = prepare_dataset(worker.executable, options.run_options(), on_progress, splits=("val",))
    asked = TwoImages(
        containers=containers,
        images={"baseline": baseline, "candidate": candidate},
        machine=machine,
        worker=worker,
        case=case,
        checkpoint=checkpoint.absolute(),
        data=data,
        data_folder=options.data,
        settings=settings,
    )
    folder = asked.folder(options.results, resume=resume)
    batches = -(-data.dataset.val_images // case.global_batch_size)

    @contextmanager
    def progress(image: str) -> Iterator[Callable[[Event], None]]:
        say(f"evaluating in {image}")
        with evaluation_progress(batches) as on_event:
            yield on_event

    found = asked.compare(folder, progress)
    if as_json:
        print_json(dump(found))
    else:
        _show(found, folder.path, options.results)
    raise typer.Exit(verdict_exit_code(found.status))


def _show(found: ImageComparison, folder: Path, results: Path) -> None:
    console = Terminal()
    console.print(render_image_comparison(found))
    console.say(f"detections and pictures: {folder}")
    if found.status is not Status.FAILED:  # a failure is not kept: it is tried again
        console.say(f"next: `ssdbench report {folder.name}{results_words(results)}` makes a page of it")
