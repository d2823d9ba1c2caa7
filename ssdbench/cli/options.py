"""The options that verbs share, and the store that they name."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.harness.stores import opening
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store

DEFAULT_RESULTS = Path("results")

STORE_HELP = (
    "Where records and baselines are: sqlite:///FILE, postgresql://USER@HOST/DATABASE, or a folder; default: "
    f"{opening.VARIABLE} of the environment, else --results."
)

RunName = Annotated[str, typer.Argument(help="A run id, its unique beginning, a .jsonl file, or latest.")]
Results = Annotated[Path, typer.Option(help="Folder of records and baselines.")]
StoreUrl = Annotated[str | None, typer.Option("--store", metavar="URL", help=STORE_HELP)]
BaselineName = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="NAME|RUN",
        help=f"What to compare with; default: {DEFAULT_BASELINE}, or the run's own baseline arm where it has one.",
    ),
]
Margin = Annotated[
    float | None, typer.Option(help="Relative change that matters, 0.05 for 5 %; default: as the run's suite says.")
]
MaximumAge = Annotated[int | None, typer.Option("--max-age", help="Days from which a baseline is stale.")]
Budget = Annotated[str | None, typer.Option(help="Begin no launch after this time: 90s, 30m, 2h.")]


def open_store(results: Path, url: str | None) -> Store:
    """The store that was asked for; what becomes of its spool is reported on stderr. Errors as `opening.open_store`."""
    return opening.open_store(results, url, say)


def say(sentence: str) -> None:
    """Report something next to the output, on stderr."""
    print(f"ssdbench: {sentence}", file=sys.stderr)
