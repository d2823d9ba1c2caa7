"""`ssdbench evaluate`: the accuracy of a trained model, without training."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.cli.progress import data_progress, evaluation_progress
from ssdbench.errors import UsageError
from ssdbench.harness.datasets import prepare_dataset
from ssdbench.harness.evaluation import plan_check, run_check
from ssdbench.harness.stores.codec import dump
from ssdbench.report.accuracy import render_evaluation
from ssdbench.schema.case import OptionValue
from ssdbench.schema.record import RunOptions


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Published checkpoint, one of ours, or a bare state dict.")],
    data: Annotated[Path, typer.Option(help="Images laid out as COCO 2017; val2017 is judged.")],
    gpus: Annotated[int, typer.Option(min=1, help="Ranks: GPUs, or processes on a CPU.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per GPU.")] = 32,
    precision: Annotated[str, typer.Option(help="fp32, tf32, amp, bf16.")] = "fp32",
    backbone: Annotated[str, typer.Option(help="The one the checkpoint was trained with.")] = "resnet50",
    pipeline: Annotated[str, typer.Option(help="dali, torchvision.")] = "dali",
    device: Annotated[str, typer.Option(help="cuda, cpu, or auto: the GPU where there is one.")] = "auto",
    protocol: Annotated[
        str, typer.Option(help="every-image, or published: no detections on images without annotation.")
    ] = "every-image",
    engine: Annotated[str, typer.Option(help="pycocotools, faster-coco-eval.")] = "pycocotools",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds it may take.")] = 7200.0,
    python: Annotated[str | None, typer.Option(help="Interpreter that evaluates; default: our own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as one line of JSON.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Draw some images with what was found to this .png file.")] = None,
) -> None:
    """Judge a checkpoint over the validation images: COCO's twelve figures for boxes."""
    if sheet is not None and (sheet.suffix.lower() != ".png" or not sheet.parent.is_dir()):
        raise UsageError(f"--sheet {sheet}: give a .png file in a folder that exists")
    axes: dict[str, OptionValue] = {
        "world_size": gpus, "batch_size_per_gpu": batch_size, "precision": precision, "backbone": backbone,
        "pipeline": pipeline,
    }  # fmt: skip
    check = plan_check(
        checkpoint, axes, protocol=protocol, engine=engine, device=device, python=python, timeout_seconds=timeout
    )
    with data_progress() as on_progress:
        prepared = prepare_dataset(check.python, RunOptions(data_folder=str(data)), on_progress)
    with evaluation_progress(check.batches(prepared.dataset.val_images)) as on_event:
        found, picture = run_check(check, prepared, on_event)
    if json:
        typer.echo(dump(found))
    else:
        Console().print(render_evaluation(found, f"{data} (val)"), highlight=False)
    if sheet is not None:
        _put(picture, sheet)


def _put(picture: Path, sheet: Path) -> None:
    part = sheet.with_name(sheet.name + ".part")
    try:
        shutil.copyfile(picture, part)
        part.replace(sheet)
    except OSError as error:
        raise UsageError(f"--sheet {sheet} cannot be written ({error.strerror}); the picture is {picture}") from None
