"""`ssdbench evaluate`: the accuracy of a trained model, without training."""

from pathlib import Path
from typing import Annotated

from ssdbench.cli.counting import data_progress, evaluation_progress
from ssdbench.cli.evaluation_options import Checkpoint, EvaluationOptions
from ssdbench.cli.help import MEASURING, OUTPUT, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.suite_options import takes_options
from ssdbench.cli.writing import is_standard_output, write_bytes
from ssdbench.errors import UsageError
from ssdbench.harness.datasets import prepare_dataset
from ssdbench.harness.evaluation import plan_check, run_check
from ssdbench.harness.stores.codec import dump
from ssdbench.report.accuracy import render_evaluation


@takes_options
def evaluate(
    options: EvaluationOptions,
    checkpoint: Checkpoint,
    engine: Annotated[str, option("pycocotools, faster-coco-eval.", metavar="NAME", panel=MEASURING)] = "pycocotools",
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
    check = plan_check(
        checkpoint,
        options.axes(),
        protocol=options.protocol,
        engine=engine,
        device=options.device,
        python=python,
        timeout_seconds=options.timeout,
    )
    with data_progress() as on_progress:
        prepared = prepare_dataset(check.python, options.run_options(), on_progress, splits=("val",))
    with evaluation_progress(check.batches(prepared.dataset.val_images)) as on_event:
        found, picture = run_check(check, prepared, on_event)
    if as_json:
        print_json(dump(found))
    else:
        Terminal(stderr=sheet_to_stdout).print(render_evaluation(found, f"{options.data} (val)"))
    if sheet is not None:
        write_bytes(sheet, picture.read_bytes())
