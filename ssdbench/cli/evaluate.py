"""`ssdbench evaluate`: the accuracy of a trained model, without training."""

from pathlib import Path
from typing import Annotated

from ssdbench.cli.counting import data_progress, evaluation_progress
from ssdbench.cli.help import MEASURING, MODEL, OUTPUT, SUITE, argument, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.writing import is_standard_output, write_bytes
from ssdbench.errors import UsageError
from ssdbench.harness.datasets import prepare_dataset
from ssdbench.harness.evaluation import plan_check, run_check
from ssdbench.harness.stores.codec import dump
from ssdbench.report.accuracy import render_evaluation
from ssdbench.schema.case import OptionValue
from ssdbench.schema.record import RunOptions


def evaluate(
    checkpoint: Annotated[
        Path, argument("Published checkpoint, one written by ssdbench, or a bare state dict.", "CHECKPOINT")
    ],
    data: Annotated[
        Path, option("Images laid out as COCO 2017; only its val2017 is read.", metavar="FOLDER", panel=SUITE)
    ],
    follow_links: Annotated[
        bool, option("Allow links that lead out of the data folder, to a shared store.", "--follow-links", panel=SUITE)
    ] = False,
    gpus: Annotated[int, option("Ranks: GPUs, or processes on a CPU.", min=1, metavar="N", panel=SUITE)] = 1,
    batch_size: Annotated[int, option("Images per GPU.", min=1, metavar="N", panel=SUITE)] = 32,
    precision: Annotated[str, option("fp32, tf32, amp, bf16.", metavar="NAME", panel=MODEL)] = "fp32",
    backbone: Annotated[
        str, option("Backbone that the checkpoint was trained with.", metavar="NAME", panel=MODEL)
    ] = "resnet50",
    pipeline: Annotated[str, option("dali, torchvision.", metavar="NAME", panel=MODEL)] = "dali",
    device: Annotated[
        str, option("cuda, cpu, or auto: a GPU if there is one.", metavar="DEVICE", panel=SUITE)
    ] = "auto",
    protocol: Annotated[
        str,
        option(
            "every-image, or published: without detections on images that have no annotation.",
            metavar="NAME",
            panel=MEASURING,
        ),
    ] = "every-image",
    engine: Annotated[str, option("pycocotools, faster-coco-eval.", metavar="NAME", panel=MEASURING)] = "pycocotools",
    timeout: Annotated[float, option("Time limit.", min=1, metavar="SECONDS", panel=MEASURING)] = 7200.0,
    python: Annotated[
        str | None, option("Interpreter that evaluates; default: that of ssdbench.", metavar="FILE", panel=MEASURING)
    ] = None,
    as_json: Json = False,
    sheet: Annotated[
        Path | None,
        option(
            "Draw some images with their detections to this .png file; - is standard output.",
            metavar="FILE",
            panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Evaluate a checkpoint on the validation images: COCO's twelve box metrics."""
    sheet_to_stdout = sheet is not None and is_standard_output(sheet)
    if sheet is not None and sheet.suffix.lower() != ".png" and not sheet_to_stdout:
        raise UsageError(f"--sheet {sheet}: give a .png file, or - for standard output")
    if sheet_to_stdout and as_json:
        raise UsageError("--json and --sheet - both write to standard output: give --sheet a file")
    axes: dict[str, OptionValue] = {
        "world_size": gpus, "batch_size_per_gpu": batch_size, "precision": precision, "backbone": backbone,
        "pipeline": pipeline,
    }  # fmt: skip
    check = plan_check(
        checkpoint, axes, protocol=protocol, engine=engine, device=device, python=python, timeout_seconds=timeout
    )
    with data_progress() as on_progress:
        prepared = prepare_dataset(
            check.python,
            RunOptions(data_folder=str(data), follow_links=follow_links or None),
            on_progress,
            splits=("val",),
        )
    with evaluation_progress(check.batches(prepared.dataset.val_images)) as on_event:
        found, picture = run_check(check, prepared, on_event)
    if as_json:
        print_json(dump(found))
    else:
        Terminal(stderr=sheet_to_stdout).print(render_evaluation(found, f"{data} (val)"))
    if sheet is not None:
        write_bytes(sheet, picture.read_bytes())
