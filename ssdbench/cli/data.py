"""`ssdbench data`: make a synthetic data set, or check one."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ssdbench.cli.counting import data_progress
from ssdbench.cli.help import VerbApp, argument, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.cli.streams import print_text
from ssdbench.errors import ExitCode
from ssdbench.harness import datasets
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.report.numbers import size
from ssdbench.schema.record import SyntheticData

app = VerbApp("Make a synthetic data set in the layout of COCO 2017, or check a data set.")
_DEFAULTS = SyntheticData()

Folder = Annotated[Path, argument("Folder with annotations/, train2017/ and val2017/.", "FOLDER")]
Python = Annotated[str | None, option("Interpreter that does the work; default: that of ssdbench.", metavar="FILE")]

FollowLinks = Annotated[bool, option("Allow links out of the data folder, to a shared store.", "--follow-links")]


@app.command()
def synth(
    folder: Folder,
    train_images: Annotated[int, option("Images to train on.", metavar="N")] = _DEFAULTS.train_images,
    val_images: Annotated[int, option("Images to validate on.", metavar="N")] = _DEFAULTS.val_images,
    seed: Annotated[int, option("Equal seeds give equal bytes.", metavar="N")] = _DEFAULTS.seed,
    easy: Annotated[bool, option("Few large objects that differ by colour.", "--easy")] = False,
    python: Python = None,
) -> None:
    """Draw a data set that a detector can learn; nothing is downloaded."""
    recipe = SyntheticData(train_images=train_images, val_images=val_images, seed=seed, easy=easy)
    with data_progress() as on_progress:
        result = datasets.synthesise(inspect_python(python).executable, folder, recipe, on_progress)
    done = "made" if result["created"] else "exists already, made with the same parameters"
    print_text(f"{result['directory']}: {train_images} train and {val_images} val images, seed {seed}: {done}")


@app.command()
def verify(folder: Folder, follow_links: FollowLinks = False, python: Python = None, as_json: Json = False) -> None:
    """Check the annotations and decode every image; exit code 7 if a fault would make a measurement wrong."""
    with data_progress() as on_progress:
        report = datasets.verify(inspect_python(python).executable, folder, on_progress, follow_links=follow_links)
    if as_json:
        print_data(report)
        raise typer.Exit(ExitCode.BAD_DATA if report["errors"] else ExitCode.OK)
    console = Terminal()
    console.print(_summary(report))
    for finding in report["findings"]:
        colour = "red" if finding["severity"] == "error" else "yellow"
        more = ", ..." if finding["count"] > len(finding["examples"]) else ""
        examples = f" ({', '.join(finding['examples'])}{more})" if finding["examples"] else ""
        console.say((finding["severity"], colour), f" {finding['message']}{examples}: {finding['remedy']}")
    kinds = f"{report['errors']} kinds of error, {report['warnings']} of warning"
    console.say(f"{report['directory']}: {kinds if report['findings'] else 'sound'}")
    if report["errors"]:
        raise typer.Exit(ExitCode.BAD_DATA)


def _summary(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    splits = report["splits"]
    for name in splits:
        table.add_column(name, justify="right")

    def row(title: str, cell: Any) -> None:
        table.add_row(title, *(str(cell(split)) for split in splits.values()))

    row("images", lambda s: s["images"])
    row("with annotations", lambda s: s["annotated_images"])
    row("boxes", lambda s: s["boxes"])
    row("crowds among them", lambda s: s["crowd_boxes"])
    row("categories", lambda s: f"{s['categories']} (ids {s['category_ids']})")
    row("median size", lambda s: "{}x{}".format(*s["median_size_wh"]))
    row("median file", lambda s: size(s["median_file_bytes"]))
    row("boxes per image: mean, median, maximum", lambda s: f"{s['boxes_per_image_mean']:.1f}, "
        f"{s['boxes_per_image_median']:g}, {s['boxes_per_image_max']}")  # fmt: skip
    row("small, medium, large boxes", lambda s: ", ".join(f"{share:.0%}" for share in s["small_medium_large"]))
    return table
